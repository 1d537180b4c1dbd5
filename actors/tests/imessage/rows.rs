//! Rows to start from.

use std::time::Duration;

use telson_actors::channel::imessage::row::{
    Chat, ChatRef, File, OutgoingRow, Row, TRANSFER_DONE, apple_date,
};
use telson_actors::clock::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000);
pub(crate) const ALICE: &str = "+15551230001";

/// A text from Alice, complete, written just now.
pub(crate) fn text(guid: &str, body: &str) -> Row {
    Row {
        rowid: 100,
        guid: guid.into(),
        body: Some(body.into()),
        date: apple_date(NOW),
        service: Some("iMessage".into()),
        sender: Some(ALICE.into()),
        destination_caller_id: Some("me@example.com".into()),
        chat: Some(direct()),
        ..Row::default()
    }
}

pub(crate) fn direct() -> Chat {
    Chat {
        rowid: 7,
        guid: format!("any;-;{ALICE}"),
        style: 45,
        identifier: Some(ALICE.into()),
        service: Some("iMessage".into()),
        account_login: Some("E:me@example.com".into()),
        ..Chat::default()
    }
}

pub(crate) fn group() -> Chat {
    Chat {
        rowid: 9,
        guid: "iMessage;+;chat617283945061728394".into(),
        style: 43,
        identifier: Some("chat617283945061728394".into()),
        service: Some("iMessage".into()),
        room_name: Some("chat617283945061728394".into()),
        display_name: Some("Weekend plans".into()),
        ..Chat::default()
    }
}

pub(crate) fn file(media_type: &str) -> File {
    File {
        transfer_state: TRANSFER_DONE,
        media_type: Some(media_type.into()),
        name: Some("IMG_0001.HEIC".into()),
        path: Some("~/Library/Messages/Attachments/00/IMG_0001.HEIC".into()),
        bytes: 123_456,
        ..File::default()
    }
}

/// A sent text of ours to Alice.
pub(crate) fn sent(rowid: i64, guid: &str, body: &str) -> OutgoingRow {
    OutgoingRow {
        rowid,
        guid: guid.into(),
        chats: vec![ChatRef {
            rowid: 7,
            guid: format!("any;-;{ALICE}"),
            identifier: Some(ALICE.into()),
        }],
        handle: Some(ALICE.into()),
        text: Some(body.into()),
        service: Some("iMessage".into()),
        is_sent: true,
        ..OutgoingRow::default()
    }
}

pub(crate) fn after(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}
