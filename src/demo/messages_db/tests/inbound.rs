//! Every shape of an inbound message.

use super::*;

#[test]
fn a_plain_message_has_every_column_a_reader_needs() {
    let f = fixture();
    let first = f.inbound("hello 👍", Shape::Plain);
    let second = f.inbound("again", Shape::Plain);
    assert_eq!(f.text(&first).as_deref(), Some("hello 👍"));
    assert_eq!(f.body(&first).as_deref(), Some("hello 👍"));
    assert_eq!(f.chats_of(&first), 1);
    assert_eq!(f.value::<i64>("is_from_me", &first), 0);
    assert_eq!(f.value::<i64>("handle_id", &first), f.alice.rowid);
    assert_eq!(f.value::<String>("reply_to_guid", &second), first.guid);
    assert!(first.guid.len() == 36 && second.rowid == first.rowid + 1);
    let joined: i64 =
        f.value("date = (SELECT message_date FROM chat_message_join LIMIT 1)", &first);
    assert_eq!(joined, 1);
}

#[test]
fn text_and_body_may_each_be_missing() {
    let f = fixture();
    let blob = f.inbound("blob", Shape::BlobOnly);
    let text = f.inbound("text", Shape::TextOnly);
    assert_eq!((f.text(&blob), f.body(&blob).as_deref()), (None, Some("blob")));
    assert_eq!((f.text(&text).as_deref(), f.body(&text)), (Some("text"), None));
}

#[test]
fn late_steps_are_separate_commits() {
    let f = fixture();
    let unjoined = f.inbound("late join", Shape::LateJoin);
    assert_eq!(f.chats_of(&unjoined), 0);
    f.db.join(&f.chat, &unjoined).unwrap();
    assert_eq!(f.chats_of(&unjoined), 1);

    let empty = f.inbound("late body", Shape::LateBody);
    assert_eq!((f.text(&empty), f.body(&empty)), (None, None));
    f.db.fill_body(&empty, "late body").unwrap();
    assert_eq!(f.body(&empty).as_deref(), Some("late body"));

    let flipped = f.inbound("mine", Shape::FromMeFlip);
    assert_eq!(f.value::<i64>("is_from_me", &flipped), 0);
    f.db.flip_from_me(&flipped).unwrap();
    assert_eq!(f.value::<i64>("is_from_me", &flipped), 1);

    let photo = f.inbound("", Shape::Attachment(File::photo().on_its_way()));
    let state = "(SELECT transfer_state FROM attachment WHERE guid = 'at_0_' || message.guid)";
    assert_eq!(f.value::<i64>(state, &photo), 0);
    f.db.finish_transfer(&photo, "/tmp/IMG_0001.HEIC").unwrap();
    assert_eq!(f.value::<i64>(state, &photo), 5);
}

#[test]
fn a_row_below_the_newest_needs_a_gap() {
    let f = fixture();
    f.inbound("one", Shape::Plain);
    let refused = f.db.inbound(&f.chat, &f.alice, "low", Shape::BelowCursor);
    assert!(matches!(refused, Err(Error::NoGap)));
    f.db.leave_gap(3).unwrap();
    let high = f.inbound("high", Shape::Plain);
    let low = f.inbound("low", Shape::BelowCursor);
    assert_eq!((high.rowid, low.rowid), (5, 4));
    assert_eq!(f.inbound("next", Shape::Plain).rowid, 6);
}

#[test]
fn dates_and_identities_may_be_old() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(Timestamp(DATES_START_UNIX_MS + 3_600_000));
    let db = MessagesDb::create(&folder.path().join("chat.db")).unwrap().with_clock(clock);
    let alice = db.person("carol@example.com", Service::IMessage).unwrap();
    let chat = db.direct_chat(&alice).unwrap();
    let f = Fixture { _folder: folder, db, alice, chat };

    let stale = f.inbound("stale", Shape::Stale(Duration::from_mins(50)));
    let minutes: i64 = f.value("date / 60000000000", &stale);
    assert_eq!(minutes, 10);

    let old = f.inbound("twice", Shape::Plain);
    let new = f.inbound("twice", Shape::Resync(old.clone()));
    assert_eq!(new.guid, old.guid);
    assert!(new.rowid > old.rowid);
    assert_eq!(f.value::<i64>("(SELECT COUNT(*) FROM deleted_messages)", &new), 1);
}

#[test]
fn rows_that_are_no_prompt_say_so() {
    let f = fixture();
    let target = f.inbound("look https://example.com/a", Shape::Plain);
    let heart = f.inbound("look https://example.com/a", Shape::Tapback(target.clone()));
    let preview = f.inbound("https://example.com/a", Shape::UrlBalloon);
    let rename = f.inbound("Beach weekend", Shape::GroupEvent);
    let junk = f.inbound("You won a prize", Shape::Spam);
    assert_eq!(f.value::<i64>("associated_message_type", &heart), 2000);
    let about: String = f.value("associated_message_guid", &heart);
    assert_eq!(about, format!("p:0/{}", target.guid));
    let bundle: String = f.value("balloon_bundle_id", &preview);
    assert!(bundle.ends_with("URLBalloonProvider"));
    assert_eq!(f.value::<i64>("item_type", &rename), 2);
    assert_eq!(f.value::<String>("group_title", &rename), "Beach weekend");
    assert_eq!(f.body(&rename), None);
    assert_eq!(f.value::<i64>("is_spam", &junk), 1);
}

#[test]
fn attachments_are_marked_in_the_body_and_counted_by_the_trigger() {
    let f = fixture();
    let alone = f.inbound("", Shape::Attachment(File::photo()));
    let captioned = f.inbound("caption", Shape::Attachment(File::photo()));
    assert_eq!(f.body(&alone).as_deref(), Some("\u{fffc}"));
    assert_eq!(f.body(&captioned).as_deref(), Some("\u{fffc}caption"));
    assert_eq!(f.value::<i64>("cache_has_attachments", &alone), 1);
}
