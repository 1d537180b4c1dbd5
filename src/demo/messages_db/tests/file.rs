//! The file, its chats, outgoing rows, and what happens to the file.

use super::*;

#[test]
fn a_new_database_is_sound_and_keeps_a_log() {
    let f = fixture();
    let pragma = |name| -> String {
        f.db.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(pragma("integrity_check"), "ok");
    assert_eq!(pragma("journal_mode"), "wal");
    assert!(matches!(MessagesDb::create(f.db.path()), Err(Error::Sql(_))));
    let missing = f.db.path().with_file_name("none.db");
    assert!(matches!(MessagesDb::open(&missing), Err(Error::Open { .. })));
}

#[test]
fn people_and_chats_are_made_once() {
    let f = fixture();
    let bob = f.db.person("+15551230002", Service::Sms).unwrap();
    let sms = f.db.direct_chat(&bob).unwrap();
    let room = "chat617283945061728394";
    let group = f.db.group_chat(room, "Weekend plans", &[&f.alice, &bob]).unwrap();

    assert_eq!(f.db.person("+15551230001", Service::IMessage).unwrap(), f.alice);
    assert_eq!(f.db.direct_chat(&f.alice).unwrap(), f.chat);
    assert_eq!(f.db.find_chat(&ChatName::Guid("SMS;-;+15551230002".to_owned())).unwrap(), sms);
    assert_eq!(f.db.find_chat(&ChatName::Identifier(room.to_owned())).unwrap(), group);
    assert_eq!(f.db.find_chat(&ChatName::Rowid(group.rowid)).unwrap(), group);
    assert_eq!(f.db.chats(2).unwrap(), vec![f.chat.clone(), sms]);
    assert_eq!(f.db.participants(group.rowid).unwrap(), ["+15551230001", "+15551230002"]);
    assert!(matches!(f.db.find_chat(&ChatName::Rowid(99)), Err(Error::NoChat(_))));
}

#[test]
fn outgoing_shapes_leave_the_rows_of_their_outcome() {
    let f = fixture();
    let states = [
        (OutgoingShape::Ok, (true, true, 0)),
        (OutgoingShape::Accepted, (false, false, 0)),
        (OutgoingShape::Failed, (false, false, ERROR_UNREACHABLE)),
        (OutgoingShape::Double, (true, true, 0)),
        (OutgoingShape::Ghost, (false, false, 0)),
    ];
    for (shape, expected) in states {
        let row = f.db.outgoing(&f.chat, &format!("{shape:?}"), shape).unwrap();
        let state = f.db.send_state(&row.guid).unwrap().unwrap();
        assert_eq!((state.is_sent, state.is_delivered, state.error), expected, "{shape:?}");
    }
    let texts = f.db.outgoing_texts().unwrap();
    let expected = ["Ok", "Accepted", "Double", "Double"];
    assert_eq!(texts, expected.map(|text| (f.chat.guid.clone(), text.to_owned())));
    assert_eq!(f.db.outgoing_rows().unwrap().len(), 5);
    assert_eq!(f.db.send_state("none").unwrap(), None);
}

#[test]
fn messages_after_a_row_come_in_order_with_their_chat() {
    let f = fixture();
    let first = f.inbound("one", Shape::BlobOnly);
    let second = f.inbound("two", Shape::LateJoin);
    let sent = f.db.outgoing(&f.chat, "three", OutgoingShape::Ok).unwrap();
    let page = f.db.messages_after(first.rowid, 10).unwrap();
    let shown: Vec<_> =
        page.iter().map(|m| (m.rowid, m.text.as_str(), m.is_from_me, m.chat_rowid)).collect();
    let chat = Some(f.chat.rowid);
    assert_eq!(shown, [(second.rowid, "two", false, None), (sent.rowid, "three", true, chat)]);
    assert_eq!(f.db.messages_after(0, 1).unwrap()[0].text, "one");
    assert_eq!(page[0].created_at.len(), "2025-01-01T00:00:00.000Z".len());
}

#[test]
fn rotation_and_checkpoints_keep_every_row() {
    let mut f = fixture();
    f.inbound("one", Shape::Plain);
    let done = f.db.checkpoint(CheckpointMode::Truncate).unwrap();
    assert!(!done.busy);
    f.db.rotate().unwrap();
    f.inbound("two", Shape::Plain);
    for mode in [CheckpointMode::Passive, CheckpointMode::Full, CheckpointMode::Restart] {
        assert!(!f.db.checkpoint(mode).unwrap().busy);
    }
    assert_eq!(f.db.newest_rowid().unwrap(), 2);
}

#[cfg(unix)]
#[test]
fn a_restored_backup_is_another_file_with_lower_row_ids() {
    use std::os::unix::fs::MetadataExt;
    let mut f = fixture();
    let rows: Vec<_> = (0..10).map(|n| f.inbound(&format!("{n}"), Shape::Plain)).collect();
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let before = inode(f.db.path());

    let replaced = f.db.replace_with_backup().unwrap();

    assert_ne!(inode(f.db.path()), before);
    assert_eq!(replaced.newest_rowid, 5);
    let lost: Vec<_> = rows[5..].iter().map(|row| row.guid.clone()).collect();
    assert_eq!(replaced.lost_guids, lost);
    assert_eq!(f.inbound("after", Shape::Plain).rowid, 6);
    assert_eq!(f.db.find_chat(&ChatName::Rowid(f.chat.rowid)).unwrap(), f.chat);
}
