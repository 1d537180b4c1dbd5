//! A sent text is recognised among our rows, and nothing else is.

use proptest::prelude::*;
use telson_actors::channel::imessage::row::{ChatRef, OutgoingRow, URL_BALLOON};
use telson_actors::channel::imessage::text_hash::{
    Match, SendEvidence, TextHash, canonical, match_outgoing,
};

use crate::rows::{ALICE, sent};

const GROUP: &str = "chat617283945061728394";

fn evidence(text: &str) -> SendEvidence {
    SendEvidence {
        base_rowid: 100,
        chat_guids: vec![format!("iMessage;-;{ALICE}")],
        chat_identifier: Some(ALICE.into()),
        text: TextHash::of(text),
        guid: None,
    }
}

fn group_evidence(text: &str) -> SendEvidence {
    SendEvidence {
        chat_guids: vec![format!("iMessage;+;{GROUP}")],
        chat_identifier: Some(GROUP.into()),
        ..evidence(text)
    }
}

fn ghost(handle: &str) -> OutgoingRow {
    OutgoingRow {
        chats: vec![],
        handle: Some(handle.into()),
        text: None,
        service: Some("SMS".into()),
        is_sent: false,
        is_ghost: true,
        ..sent(101, "G", "")
    }
}

fn one(guid: &str) -> Match {
    Match::One { guid: guid.into() }
}

fn pending(guid: &str) -> Match {
    Match::Pending { guid: guid.into() }
}

#[test]
fn forms_of_one_text_hash_the_same() {
    for same in ["caf\u{e9}\nok", "cafe\u{301}\r\nok", "  caf\u{e9}\nok\n", "\u{fffc}caf\u{e9}\nok"]
    {
        assert_eq!(TextHash::of(same), TextHash::of("café\nok"), "{same:?}");
    }
    assert_ne!(TextHash::of("café ok"), TextHash::of("café\nok"));
    assert_ne!(TextHash::of("Ok"), TextHash::of("ok"));
}

#[test]
fn one_row_above_the_base_is_ours() {
    assert_eq!(match_outgoing(&evidence("ok"), &[]), Match::None);
    assert_eq!(match_outgoing(&evidence("ok"), &[sent(101, "A", "ok ")]), one("A"));
    assert_eq!(match_outgoing(&evidence("ok"), &[sent(100, "A", "ok")]), Match::None);
    assert_eq!(match_outgoing(&evidence("ok"), &[sent(101, "A", "ko")]), Match::None);
    let both = [sent(99, "A", "ok"), sent(101, "B", "ok")];
    assert_eq!(match_outgoing(&evidence("ok"), &both), one("B"));
}

#[test]
fn other_chats_and_other_kinds_are_not_ours() {
    let chat = |guid: &str, identifier: Option<&str>| OutgoingRow {
        chats: vec![ChatRef {
            rowid: 3,
            guid: guid.into(),
            identifier: identifier.map(Into::into),
        }],
        ..sent(101, "A", "ok")
    };
    assert_eq!(match_outgoing(&evidence("ok"), &[chat("any;-;+1999", Some("+1999"))]), Match::None);
    assert_eq!(match_outgoing(&evidence("ok"), &[chat("SMS;-;+15551230001", None)]), one("A"));
    assert_eq!(match_outgoing(&evidence("ok"), &[chat("odd", Some(ALICE))]), one("A"));
    let event = OutgoingRow { item_type: 2, ..sent(101, "A", "ok") };
    let tapback = OutgoingRow { associated_type: 2000, ..sent(101, "A", "ok") };
    assert_eq!(match_outgoing(&evidence("ok"), &[event, tapback]), Match::None);
}

#[test]
fn a_preview_counts_only_when_it_is_all_there_is() {
    let link = "https://example.com/a";
    let preview = |rowid, guid: &str| OutgoingRow {
        balloon: Some(URL_BALLOON.into()),
        ..sent(rowid, guid, link)
    };
    assert_eq!(match_outgoing(&evidence(link), &[preview(101, "P")]), one("P"));
    let with_text = [sent(101, "T", link), preview(102, "P")];
    assert_eq!(match_outgoing(&evidence(link), &with_text), one("T"));
    let under_text = [sent(101, "T", &format!("see {link}")), preview(102, "P")];
    assert_eq!(match_outgoing(&evidence(&format!("see {link}")), &under_text), one("T"));
}

#[test]
fn doubled_failed_and_waiting_rows_are_told_apart() {
    let twice = [sent(101, "A", "ok"), sent(102, "B", "ok")];
    let many = Match::Many { guids: vec!["A".into(), "B".into()] };
    assert_eq!(match_outgoing(&evidence("ok"), &twice), many);

    let failed = OutgoingRow { error: 22, is_sent: false, ..sent(101, "A", "ok") };
    let expected = Match::Failed { guid: "A".into(), code: 22 };
    assert_eq!(match_outgoing(&evidence("ok"), std::slice::from_ref(&failed)), expected);
    assert_eq!(match_outgoing(&evidence("ok"), &[failed, sent(102, "B", "ok")]), one("B"));

    let waiting = OutgoingRow { is_sent: false, ..sent(101, "A", "ok") };
    assert_eq!(match_outgoing(&evidence("ok"), std::slice::from_ref(&waiting)), pending("A"));
    let delivered = OutgoingRow { is_delivered: true, ..waiting };
    assert_eq!(match_outgoing(&evidence("ok"), &[delivered]), one("A"));
}

#[test]
fn a_row_that_is_still_being_written_is_waited_for() {
    let textless = OutgoingRow { text: None, is_sent: false, ..sent(101, "A", "") };
    assert_eq!(match_outgoing(&evidence("ok"), &[textless]), pending("A"));
    let unjoined = OutgoingRow { chats: vec![], ..sent(101, "A", "ok") };
    assert_eq!(match_outgoing(&evidence("ok"), std::slice::from_ref(&unjoined)), pending("A"));
    let elsewhere = OutgoingRow { handle: Some("+1999".into()), ..unjoined.clone() };
    assert_eq!(match_outgoing(&evidence("ok"), &[elsewhere]), Match::None);
    let other_text = OutgoingRow { text: Some("no".into()), ..unjoined };
    assert_eq!(match_outgoing(&evidence("ok"), &[other_text]), Match::None);
    let picture = OutgoingRow { text: None, has_files: true, ..sent(101, "A", "") };
    assert_eq!(match_outgoing(&evidence("ok"), &[picture]), Match::None);
}

#[test]
fn a_ghost_is_known_by_a_chat_in_place_of_a_handle() {
    let lost = Match::Ghost { guid: "G".into() };
    for handle in [GROUP.to_owned(), format!("any;-;{GROUP}"), format!("any;+;{GROUP}")] {
        assert_eq!(match_outgoing(&group_evidence("ok"), &[ghost(&handle)]), lost, "{handle}");
    }
    assert_eq!(match_outgoing(&evidence("ok"), &[ghost(&format!("any;-;{ALICE}"))]), lost);
    assert_eq!(match_outgoing(&evidence("ok"), &[ghost(ALICE)]), pending("G"), "a young SMS row");
    assert_eq!(match_outgoing(&group_evidence("ok"), &[ghost("any;+;chat1")]), Match::None);
    let both = [ghost(GROUP), OutgoingRow { rowid: 102, handle: None, ..sent(102, "B", "ok") }];
    assert_eq!(match_outgoing(&group_evidence("ok"), &both), lost, "B is in another chat");
}

#[test]
fn a_known_guid_decides_alone() {
    let told = SendEvidence { guid: Some("B".into()), ..evidence("ok") };
    assert_eq!(match_outgoing(&told, &[sent(101, "A", "ok")]), Match::None);
    let rows = [sent(101, "A", "ok"), sent(90, "B", "quite another text")];
    assert_eq!(match_outgoing(&told, &rows), one("B"));
    let failed = OutgoingRow { error: 22, ..sent(101, "B", "ok") };
    let expected = Match::Failed { guid: "B".into(), code: 22 };
    assert_eq!(match_outgoing(&told, &[failed]), expected);
    let young = OutgoingRow { guid: "B".into(), ..ghost(ALICE) };
    assert_eq!(match_outgoing(&told, &[young]), pending("B"));
    let lost = OutgoingRow { guid: "B".into(), ..ghost(&format!("any;-;{ALICE}")) };
    assert_eq!(match_outgoing(&told, &[lost]), Match::Ghost { guid: "B".into() });
}

fn outgoing_rows() -> impl Strategy<Value = Vec<OutgoingRow>> {
    let row = (95..110_i64, "[ok]{0,2}", any::<bool>(), 0..2_i64, any::<bool>(), any::<bool>());
    let row = row.prop_map(|(rowid, text, is_sent, error, joined, event)| {
        let mut row = sent(rowid, &rowid.to_string(), &text);
        row.text = Some(text).filter(|text| !text.is_empty());
        row.chats.retain(|_| joined);
        OutgoingRow { is_sent, error, item_type: i64::from(event), ..row }
    });
    proptest::collection::vec(row, 0..8)
}

proptest! {
    #[test]
    fn canonical_is_stable(text in any::<String>()) {
        let once = canonical(&text);
        prop_assert_eq!(canonical(&once), once.clone());
        prop_assert_eq!(TextHash::of(&text), TextHash::of(&once));
    }

    #[test]
    fn line_ends_and_edges_do_not_matter(lines in proptest::collection::vec("[a-z]{1,5}", 1..4)) {
        let unix = lines.join("\n");
        let dos = format!(" {}\r\n", lines.join("\r\n"));
        prop_assert_eq!(TextHash::of(&unix), TextHash::of(&dos));
    }

    #[test]
    fn confirmed_rows_are_above_the_base_joined_and_equal(rows in outgoing_rows()) {
        let evidence = evidence("ok");
        let guids = match match_outgoing(&evidence, &rows) {
            Match::One { guid } => vec![guid],
            Match::Many { guids } => guids,
            Match::None | Match::Ghost { .. } | Match::Failed { .. } | Match::Pending { .. } => vec![],
        };
        for guid in guids {
            let ours = rows.iter().any(|row| {
                row.guid == guid
                    && row.rowid > evidence.base_rowid
                    && row.text.as_deref() == Some("ok")
                    && !row.chats.is_empty()
                    && row.item_type == 0
            });
            prop_assert!(ours, "{guid}");
        }
    }

    #[test]
    fn rows_below_the_base_change_nothing(rows in outgoing_rows(), old in outgoing_rows()) {
        let mut all: Vec<_> = old.into_iter().filter(|row| row.rowid <= 100).collect();
        all.extend(rows.iter().cloned());
        prop_assert_eq!(match_outgoing(&evidence("ok"), &all), match_outgoing(&evidence("ok"), &rows));
    }
}
