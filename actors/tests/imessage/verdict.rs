//! Every row ends delivered or ignored for a reason, and waits only as long as it may.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use telson_actors::channel::imessage::previews::Previews;
use telson_actors::channel::imessage::row::{
    Chat, File, Row, TRANSFER_DONE, URL_BALLOON, apple_date,
};
use telson_actors::channel::imessage::verdict::{
    Facts, HoldReason, IgnoreReason, Verdict, WatchLimits, judge,
};
use telson_actors::clock::Timestamp;

use crate::rows::{ALICE, NOW, after, direct, file, group, text};

/// Facts that a test may bend, with a row that appeared at [`NOW`].
struct Given {
    own: BTreeSet<String>,
    previews: Previews,
    limits: WatchLimits,
    admitted: bool,
    boundary_rowid: i64,
    watching_since: Timestamp,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            own: BTreeSet::from(["+15550009999".into(), "me@example.com".into()]),
            previews: Previews::default(),
            limits: WatchLimits::default(),
            admitted: false,
            boundary_rowid: 0,
            watching_since: NOW,
        }
    }
}

impl Given {
    fn judge(&self, row: &Row, now: Timestamp) -> Verdict {
        let facts = Facts {
            own: &self.own,
            previews: &self.previews,
            first_seen: NOW,
            admitted: self.admitted,
            boundary_rowid: self.boundary_rowid,
            watching_since: self.watching_since,
            behind: Duration::ZERO,
            limits: &self.limits,
        };
        judge(row, &facts, now)
    }
}

/// Makes a complete text something else.
type Change = fn(&mut Row);

fn settled(row: &Row) -> Verdict {
    Given::default().judge(row, after(500))
}

fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Deliver(content) => content.text,
        other => format!("{other:?}"),
    }
}

fn ignored(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ignore(reason) => reason.name(),
        Verdict::Deliver(_) => "delivered",
        Verdict::Hold { .. } => "held",
    }
}

fn hold(reason: HoldReason, until_millis: u64) -> Verdict {
    Verdict::Hold { reason, until: after(until_millis) }
}

#[test]
fn a_settled_text_is_delivered_without_its_marks() {
    assert_eq!(said(settled(&text("G", " hello\u{fffd} "))), "hello");
    let in_group = Row { chat: Some(group()), ..text("G", "hello") };
    assert_eq!(said(settled(&in_group)), "hello");
}

#[test]
fn a_row_just_born_may_still_turn_out_to_be_ours() {
    let given = Given::default();
    let mut row = text("G", "hello");
    assert_eq!(given.judge(&row, NOW), hold(HoldReason::Settling, 500));
    assert_eq!(given.judge(&row, after(499)), hold(HoldReason::Settling, 500));
    row.is_from_me = true;
    assert_eq!(ignored(given.judge(&row, after(499))), "own");
}

#[test]
fn what_is_not_a_message_for_us_is_ignored_by_name() {
    let cases: [(&str, Change); 12] = [
        ("own", |row| row.is_from_me = true),
        ("ghost", |row| {
            *row = Row { is_from_me: true, service: Some("SMS".into()), ..Row::default() };
        }),
        ("event", |row| row.item_type = 2),
        ("reaction", |row| row.associated_type = 1000),
        ("reaction", |row| row.associated_type = 2006),
        ("reaction", |row| row.associated_type = 3007),
        ("app", |row| row.associated_type = 4000),
        ("app", |row| {
            row.balloon = Some("x:0000000000:com.apple.messages.Polls".into());
        }),
        ("app", |row| {
            row.balloon = Some("com.apple.DigitalTouchBalloonProvider".into());
            row.body = Some("\u{fffd}".into());
        }),
        ("spam", |row| row.is_spam = true),
        ("unsent", |row| (row.date_edited, row.body) = (1, None)),
        ("deleted", |row| (row.is_deleted, row.chat) = (true, None)),
    ];
    for (name, change) in cases {
        let mut row = text("G", "hello");
        change(&mut row);
        assert_eq!(ignored(settled(&row)), name, "{row:?}");
    }
    let admitted = Given { admitted: true, ..Given::default() };
    assert_eq!(ignored(admitted.judge(&text("G", "hello"), after(500))), "duplicate");
}

#[test]
fn what_only_looks_unusual_is_delivered() {
    let cases: [Change; 4] = [
        |row| row.associated_type = 2,
        |row| row.balloon = Some("com.example.app".into()),
        |row| row.date_edited = 1,
        |row| row.date = 0,
    ];
    for change in cases {
        let mut row = text("G", "hello");
        change(&mut row);
        assert_eq!(said(settled(&row)), "hello", "{row:?}");
    }
}

#[test]
fn a_note_to_ourselves_is_known_by_the_chat_not_by_the_sender() {
    let to = |address: &str| Row {
        sender: Some(address.into()),
        chat: Some(Chat { identifier: Some(address.into()), ..direct() }),
        ..text("G", "note")
    };
    assert_eq!(ignored(settled(&to("+15550009999"))), "self_chat");
    assert_eq!(ignored(settled(&to("Me@Example.com"))), "self_chat");
    assert_eq!(ignored(settled(&to(ALICE))), "delivered");

    let unknown_own =
        Row { destination_caller_id: Some("new@example.com".into()), ..to("new@example.com") };
    assert_eq!(ignored(settled(&unknown_own)), "self_chat");
}

#[test]
fn what_is_missing_is_waited_for_and_then_given_up_visibly() {
    let given = Given::default();
    let cases = [
        (HoldReason::NoChat, Row { chat: None, ..text("G", "hello") }),
        (HoldReason::EmptyBody, Row { body: None, ..text("G", "") }),
        (HoldReason::NoSender, Row { chat: Some(group()), sender: None, ..text("G", "hello") }),
        (
            HoldReason::EmptyBody,
            Row { balloon: Some(URL_BALLOON.into()), body: None, ..text("G", "") },
        ),
    ];
    for (reason, row) in cases {
        assert_eq!(given.judge(&row, after(29_999)), hold(reason, 30_000));
        let end = Verdict::Ignore(IgnoreReason::Unresolved(reason));
        assert_eq!(given.judge(&row, after(30_000)), end);
    }
}

#[test]
fn files_on_their_way_are_waited_for_only_so_long() {
    let given = Given::default();
    let pending = File { transfer_state: 0, path: None, ..file("image/heic") };
    let row = Row { files: vec![pending], ..text("G", "\u{fffc}caption") };
    assert_eq!(given.judge(&row, after(500)), hold(HoldReason::Attachments, 10_000));
    assert_eq!(said(given.judge(&row, after(10_000))), "caption");

    let unlisted = Row { files: vec![file("image/heic")], ..text("G", "\u{fffc}\u{fffc}") };
    assert_eq!(given.judge(&unlisted, after(500)), hold(HoldReason::Attachments, 10_000));
    assert_eq!(said(given.judge(&unlisted, after(10_000))), "<media:image>");

    let never_listed = text("G", "\u{fffc}");
    assert_eq!(given.judge(&never_listed, after(10_000)), hold(HoldReason::EmptyBody, 30_000));
}

#[test]
fn files_alone_are_delivered_as_placeholders() {
    let row = Row {
        body: Some("\u{fffc}\u{fffc}".into()),
        files: vec![file("image/heic"), file("application/pdf")],
        ..text("G", "")
    };
    assert_eq!(said(settled(&row)), "<media:image> <media:document>");
    let bare = Row { body: None, files: vec![file("video/quicktime")], ..text("G", "") };
    assert_eq!(said(settled(&bare)), "<media:video>");
}

#[test]
fn a_preview_folds_into_its_text_or_speaks_for_itself() {
    let mut given = Given::default();
    let preview = Row {
        balloon: Some(URL_BALLOON.into()),
        date: apple_date(after(1_200)),
        files: vec![File { transfer_state: 0, is_hidden: true, ..file("") }],
        ..text("P", "https://example.com/b")
    };
    assert_eq!(said(given.judge(&preview, after(500))), "https://example.com/b");

    given.previews.remember(&text("T", "look"));
    let folded = IgnoreReason::PreviewFolded {
        parent: "T".into(),
        lost_link: Some("https://example.com/b".into()),
    };
    assert_eq!(given.judge(&preview, NOW), Verdict::Ignore(folded));

    given.previews.remember(&text("U", "look: https://example.com/b"));
    let folded = IgnoreReason::PreviewFolded { parent: "U".into(), lost_link: None };
    assert_eq!(given.judge(&preview, NOW), Verdict::Ignore(folded));
}

#[test]
fn age_is_measured_to_when_the_row_appeared() {
    let given = Given::default();
    let written = |minutes: u64| Row {
        date: apple_date(NOW.minus(Duration::from_mins(minutes))),
        ..text("G", "hello")
    };
    assert_eq!(ignored(settled(&written(15))), "delivered");
    assert_eq!(
        settled(&written(16)),
        Verdict::Ignore(IgnoreReason::Stale { age: Duration::from_mins(16) })
    );
    let read_late = given.judge(&written(1), after(3_600_000));
    assert_eq!(ignored(read_late), "delivered", "our own lateness is no age");
    assert_eq!(ignored(settled(&Row { date: 0, ..written(0) })), "delivered");
    let from_the_future = Row { date: apple_date(after(60_000)), ..written(0) };
    assert_eq!(ignored(settled(&from_the_future)), "delivered");
}

#[test]
fn what_came_while_we_were_away_may_be_older() {
    let written = |minutes: u64| Row {
        date: apple_date(NOW.minus(Duration::from_mins(minutes))),
        ..text("G", "hello")
    };
    let given = Given { boundary_rowid: 100, ..Given::default() };
    assert_eq!(ignored(given.judge(&written(119), after(500))), "delivered");
    assert_eq!(ignored(given.judge(&written(121), after(500))), "stale");
    let above = Row { rowid: 101, ..written(119) };
    assert_eq!(ignored(given.judge(&above, after(500))), "stale");
}

fn chats() -> impl Strategy<Value = Option<Chat>> {
    let own = Chat { identifier: Some("me@example.com".into()), ..direct() };
    prop_oneof![Just(None), Just(Some(direct())), Just(Some(group())), Just(Some(own))]
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let one =
        (prop_oneof![Just(TRANSFER_DONE), Just(0_i64)], any::<bool>(), "(image|text|)/?[a-z]{0,4}")
            .prop_map(|(transfer_state, is_hidden, media_type)| File {
                transfer_state,
                is_hidden,
                ..file(&media_type)
            });
    proptest::collection::vec(one, 0..3)
}

prop_compose! {
    fn any_row()(
        body in prop_oneof![Just(None), "[ab \u{fffc}\u{fffd}]{1,4}".prop_map(Some)],
        age_mins in 0_u64..200,
        flags in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        item_type in prop_oneof![4 => Just(0_i64), 1 => 1..7_i64],
        associated_type in prop_oneof![4 => Just(0_i64), 1 => prop::sample::select(vec![2, 3, 1000, 2000, 3007, 4000])],
        balloon in prop_oneof![Just(None), Just(Some(URL_BALLOON.to_owned())), Just(Some("app".to_owned()))],
        sender in prop_oneof![Just(None), Just(Some(ALICE.to_owned()))],
        chat in chats(),
        files in files(),
        dated in any::<bool>(),
    ) -> Row {
        let (is_from_me, is_spam, is_deleted, edited) = flags;
        let date = if dated { apple_date(NOW.minus(Duration::from_mins(age_mins))) } else { 0 };
        Row {
            body, date, is_from_me, is_spam, is_deleted, item_type, associated_type, balloon,
            sender, chat, files, date_edited: i64::from(edited), ..text("G", "")
        }
    }
}

proptest! {
    #[test]
    fn every_row_comes_to_an_end(row in any_row(), boundary_rowid in 99..102_i64) {
        let given = Given { boundary_rowid, ..Given::default() };
        let mut now = NOW;
        let mut holds = 0;
        while let Verdict::Hold { until, .. } = given.judge(&row, now) {
            prop_assert!(until > now, "a hold must lie ahead");
            prop_assert!(until <= NOW.plus(given.limits.hold_max));
            now = until;
            holds += 1;
            prop_assert!(holds <= 3, "settling, files, and one thing missing");
        }
        let end = given.judge(&row, now);
        prop_assert_eq!(given.judge(&row, now.plus(Duration::from_hours(9))), end);
    }

    #[test]
    fn only_messages_of_others_with_something_to_say_are_delivered(row in any_row(), millis in 0..40_000_u64) {
        if let Verdict::Deliver(content) = Given::default().judge(&row, after(millis)) {
            prop_assert!(!content.text.trim().is_empty());
            prop_assert!(!content.sender.is_empty());
            prop_assert!(!row.is_from_me && !row.is_spam && row.item_type == 0 && !row.is_reaction());
            prop_assert!(row.chat.is_some());
            prop_assert!(millis >= 500);
            prop_assert!(row.visible_files().count() == content.files.len());
        }
    }

    #[test]
    fn what_was_admitted_never_comes_twice(row in any_row(), millis in 0..40_000_u64) {
        let given = Given { admitted: true, ..Given::default() };
        let verdict = given.judge(&row, after(millis));
        prop_assert_eq!(verdict, Verdict::Ignore(IgnoreReason::Duplicate));
    }

    #[test]
    fn a_complete_fresh_message_is_never_ignored(body in "[a-z]{1,20}", in_group in any::<bool>()) {
        let chat = if in_group { group() } else { direct() };
        let row = Row { chat: Some(chat), ..text("G", &body) };
        prop_assert_eq!(said(settled(&row)), body);
    }
}
