//! A link preview folds into the text before it, and only there.

use telson_actors::channel::imessage::previews::{PREVIEW_TEXTS_MAX, Parent, Previews};
use telson_actors::channel::imessage::row::{Row, URL_BALLOON, apple_date};

use crate::rows::{after, group, text};

const LINK: &str = "https://example.com/a";

fn preview(guid: &str, delay_millis: u64) -> Row {
    Row {
        rowid: 101,
        balloon: Some(URL_BALLOON.into()),
        date: apple_date(after(delay_millis)),
        ..text(guid, LINK)
    }
}

fn remembering(rows: &[Row]) -> Previews {
    let mut previews = Previews::default();
    for row in rows {
        previews.remember(row);
    }
    previews
}

fn parent<'a>(previews: &'a Previews, row: &Row) -> Option<&'a str> {
    previews.parent_of(row).map(|parent| parent.guid)
}

#[test]
fn folds_within_the_window_of_the_same_chat_and_sender() {
    let previews = remembering(&[text("T", "look https://example.com/a please")]);
    let found = previews.parent_of(&preview("P", 1_500));
    assert_eq!(found, Some(Parent { guid: "T", has_link: true }));
    assert_eq!(parent(&previews, &preview("P", 0)), Some("T"));
    assert_eq!(parent(&previews, &preview("P", 5_000)), Some("T"));
    assert_eq!(parent(&previews, &preview("P", 5_001)), None);

    let other_sender = Row { sender: Some("+1999".into()), ..preview("P", 900) };
    let other_chat = Row { chat: Some(group()), ..preview("P", 900) };
    let undated = Row { date: 0, ..preview("P", 900) };
    for row in [other_sender, other_chat, undated] {
        assert_eq!(parent(&previews, &row), None, "{row:?}");
    }
}

#[test]
fn a_preview_before_any_text_stands_alone() {
    let late = Row { date: apple_date(after(10)), ..text("T", "look") };
    assert_eq!(parent(&remembering(&[late]), &preview("P", 0)), None);
    assert_eq!(parent(&Previews::default(), &preview("P", 0)), None);
}

#[test]
fn a_text_without_the_link_takes_one_preview_only() {
    let mut previews = remembering(&[text("T", "look")]);
    let found = previews.parent_of(&preview("P", 900));
    assert_eq!(found, Some(Parent { guid: "T", has_link: false }));
    previews.folded("T", "P");
    assert_eq!(parent(&previews, &preview("P", 900)), Some("T"), "asked twice");
    assert_eq!(parent(&previews, &preview("Q", 2_000)), None);
    previews.remember(&text("T", "look"));
    assert_eq!(parent(&previews, &preview("Q", 2_000)), None, "looked at twice");
}

#[test]
fn the_named_text_comes_before_the_one_with_the_link_before_the_latest() {
    let texts = [text("A", "see https://example.com/a"), text("B", "one"), text("C", "two")];
    let previews = remembering(&texts);
    assert_eq!(parent(&previews, &preview("P", 900)), Some("A"));
    let elsewhere = Row { body: Some("https://example.com/z".into()), ..preview("P", 900) };
    assert_eq!(parent(&previews, &elsewhere), Some("C"));
    for name in ["B", "p:0/B", "bp:B"] {
        let named = Row { associated_guid: Some(name.into()), ..preview("P", 900) };
        assert_eq!(parent(&previews, &named), Some("B"));
    }
}

#[test]
fn a_text_whose_chat_is_not_known_yet_still_takes_its_preview() {
    let unjoined = Row { chat: None, ..text("T", "look") };
    assert_eq!(parent(&remembering(&[unjoined]), &preview("P", 900)), Some("T"));
}

#[test]
fn only_texts_of_others_are_remembered() {
    let own = Row { is_from_me: true, ..text("T", "look") };
    let event = Row { item_type: 2, ..text("T", "look") };
    let tapback = Row { associated_type: 2001, ..text("T", "look") };
    let app = Row { balloon: Some("app".into()), ..text("T", "look") };
    let picture = text("T", "\u{fffc}");
    for row in [own, event, tapback, app, picture] {
        assert_eq!(
            parent(&remembering(std::slice::from_ref(&row)), &preview("P", 900)),
            None,
            "{row:?}"
        );
    }
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let texts: Vec<_> =
        (0..=PREVIEW_TEXTS_MAX).map(|number| text(&number.to_string(), "look")).collect();
    let previews = remembering(&texts);
    let naming = |guid: &str| Row { associated_guid: Some(guid.into()), ..preview("P", 900) };
    assert_eq!(parent(&previews, &naming("1")), Some("1"));
    assert_ne!(parent(&previews, &naming("0")), Some("0"));
}
