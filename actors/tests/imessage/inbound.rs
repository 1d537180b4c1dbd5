//! A judged row becomes a message with the platform's own ids.

use proptest::prelude::*;
use telson_actors::channel::imessage::inbound::{content, inbound};
use telson_actors::channel::imessage::row::{Chat, File, Row};
use telson_actors::message::{AccountKey, ChatKind, Inbound};

use crate::rows::{ALICE, NOW, after, direct, file, group, text};

fn account() -> AccountKey {
    AccountKey::new("imessage", "default")
}

fn convert(row: &Row) -> Inbound {
    let chat = row.chat.clone().unwrap();
    let content = content(row, &chat, row.sender.clone().unwrap()).unwrap();
    inbound(&account(), row, content, Some("/Users/me"), after(9_000))
}

#[test]
fn a_direct_chat_is_its_other_person() {
    let message = convert(&text("G-1", "hello"));
    assert_eq!(message.account, account());
    assert_eq!(message.dedupe_key, "G-1");
    assert_eq!(message.chat, ChatKind::Direct);
    assert_eq!((message.peer.as_str(), message.sender.as_str()), (ALICE, ALICE));
    assert_eq!(message.reply_to.target, format!("chat_guid:any;-;{ALICE}"));
    assert_eq!(message.reply_to.account, account());
    assert_eq!((message.thread, message.reply_to.thread), (None, None));
    assert_eq!(message.text, "hello");
    assert_eq!(message.sent_at, NOW);
    let guid = format!("chat_guid:any;-;{ALICE}");
    let identifier = format!("chat_identifier:{ALICE}");
    assert_eq!(message.peer_aliases, ["chat_id:7", guid.as_str(), identifier.as_str()]);
}

#[test]
fn a_group_is_its_identifier() {
    let message = convert(&Row { chat: Some(group()), ..text("G-1", "hello") });
    assert_eq!(message.chat, ChatKind::Group);
    assert_eq!(message.peer, "chat617283945061728394");
    assert_eq!(message.sender, ALICE);
    assert_eq!(
        message.peer_aliases,
        [
            "chat_id:9",
            "9",
            "chat_guid:iMessage;+;chat617283945061728394",
            "chat_identifier:chat617283945061728394",
        ]
    );
    assert_eq!(message.reply_to.target, "chat_guid:iMessage;+;chat617283945061728394");
}

#[test]
fn files_have_a_path_once_they_are_there() {
    let pending = File { transfer_state: 0, ..file("application/pdf") };
    let message = convert(&Row { files: vec![file("image/heic"), pending], ..text("G", "see") });
    assert_eq!(message.text, "see");
    let [image, document] = message.attachments.as_slice() else { panic!("{message:?}") };
    let path = "/Users/me/Library/Messages/Attachments/00/IMG_0001.HEIC";
    assert_eq!(image.path.as_deref(), Some(path));
    assert_eq!((image.media_type.as_str(), image.bytes), ("image/heic", 123_456));
    assert_eq!(image.name, "IMG_0001.HEIC");
    assert_eq!(document.path, None);
}

#[test]
fn placeholders_follow_media_type_then_format() {
    let of = |media_type: &str, uti: &str| File { uti: Some(uti.into()), ..file(media_type) };
    let sticker = File { is_sticker: true, ..file("image/png") };
    let cases = [
        ("<media:image>", file("Image/HEIC")),
        ("<media:video>", file("video/mp4")),
        ("<media:audio>", file("audio/x-caf")),
        ("<media:document>", file("text/vcard")),
        ("<media:sticker>", sticker),
        ("<media:image>", of("", "public.heic")),
        ("<media:video>", of("", "com.apple.quicktime-movie")),
        ("<media:audio>", of("", "com.apple.coreaudio-format")),
        ("<media:document>", of("", "com.adobe.pdf")),
        ("<media:document>", file("")),
    ];
    for (expected, file) in cases {
        let row = Row { body: Some("\u{fffc}".into()), files: vec![file.clone()], ..text("G", "") };
        assert_eq!(convert(&row).text, expected, "{file:?}");
    }
    let voice = Row { body: None, is_audio: true, files: vec![file("")], ..text("G", "") };
    assert_eq!(convert(&voice).text, "<media:audio>");
}

#[test]
fn a_row_without_date_was_sent_when_it_was_seen() {
    assert_eq!(convert(&Row { date: 0, ..text("G", "hello") }).sent_at, after(9_000));
}

#[test]
fn nothing_to_say_is_no_content() {
    assert_eq!(content(&text("G", "\u{fffd} "), &direct(), ALICE.into()), None);
}

proptest! {
    #[test]
    fn kind_and_peer_agree(identifier in "(chat)?[0-9+]{1,8}", style in 43..46_i64, polarity in "[+-]") {
        let chat = Chat {
            guid: format!("any;{polarity};{identifier}"),
            identifier: Some(identifier.clone()),
            style,
            ..direct()
        };
        let message = convert(&Row { chat: Some(chat), ..text("G", "hello") });
        match message.chat {
            ChatKind::Direct => prop_assert_eq!(message.peer, message.sender),
            ChatKind::Group | ChatKind::Channel => prop_assert_eq!(message.peer, identifier),
        }
    }
}
