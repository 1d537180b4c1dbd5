//! How results are read: by column name, taking whatever type SQLite kept, as its columns have none.

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use crate::channel::imessage::row::{Chat, ChatRef, File, OutgoingRow, Row, SendState};
use crate::channel::imessage::typedstream::attributed_text;

use super::SendStatus;

/// Link previews keep their pictures in files of this ending.
const PREVIEW_FILE_ENDING: &str = ".pluginPayloadAttachment";

pub(super) fn int(sql: &SqlRow<'_>, column: &str) -> rusqlite::Result<i64> {
    Ok(match sql.get_ref(column)? {
        ValueRef::Integer(value) => value,
        #[expect(clippy::cast_possible_truncation, reason = "such a cast saturates")]
        ValueRef::Real(value) => value as i64,
        ValueRef::Text(text) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
        }
        ValueRef::Null | ValueRef::Blob(_) => 0,
    })
}

pub(super) fn flag(sql: &SqlRow<'_>, column: &str) -> rusqlite::Result<bool> {
    Ok(int(sql, column)? != 0)
}

/// A text; `None` when NULL or empty.
pub(super) fn text(sql: &SqlRow<'_>, column: &str) -> rusqlite::Result<Option<String>> {
    Ok(match sql.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) if !bytes.is_empty() => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    })
}

fn body(sql: &SqlRow<'_>) -> rusqlite::Result<Option<String>> {
    let text = text(sql, "text")?;
    let blob = match sql.get_ref("attributedBody")? {
        ValueRef::Blob(blob) | ValueRef::Text(blob) => Some(blob),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    };
    Ok(attributed_text(text.as_deref(), blob))
}

/// The message, without its files.
pub(super) fn row(sql: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        rowid: int(sql, "rowid")?,
        guid: text(sql, "guid")?.unwrap_or_default(),
        body: body(sql)?,
        date: int(sql, "date")?,
        date_edited: int(sql, "date_edited")?,
        is_from_me: flag(sql, "is_from_me")?,
        is_spam: flag(sql, "is_spam")?,
        is_audio: flag(sql, "is_audio_message")?,
        item_type: int(sql, "item_type")?,
        associated_type: int(sql, "associated_message_type")?,
        associated_guid: text(sql, "associated_message_guid")?,
        balloon: text(sql, "balloon_bundle_id")?,
        service: text(sql, "service")?,
        sender: text(sql, "sender")?,
        destination_caller_id: text(sql, "destination_caller_id")?,
        chat: chat(sql)?,
        is_deleted: false,
        files: Vec::new(),
    })
}

/// The chat, if the row has one.
pub(super) fn chat(sql: &SqlRow<'_>) -> rusqlite::Result<Option<Chat>> {
    let Some(guid) = text(sql, "chat_guid")? else {
        return Ok(None);
    };
    Ok(Some(Chat {
        rowid: int(sql, "chat_rowid")?,
        guid,
        style: int(sql, "style")?,
        identifier: text(sql, "chat_identifier")?,
        service: text(sql, "service_name")?,
        room_name: text(sql, "room_name")?,
        account_login: text(sql, "account_login")?,
        last_addressed_handle: text(sql, "last_addressed_handle")?,
        display_name: text(sql, "display_name")?,
    }))
}

pub(super) fn chat_ref(sql: &SqlRow<'_>) -> rusqlite::Result<ChatRef> {
    Ok(ChatRef {
        rowid: int(sql, "chat_rowid")?,
        guid: text(sql, "chat_guid")?.unwrap_or_default(),
        identifier: text(sql, "chat_identifier")?,
    })
}

pub(super) fn file(sql: &SqlRow<'_>) -> rusqlite::Result<File> {
    let name = text(sql, "transfer_name")?;
    let path = text(sql, "filename")?;
    let is_preview =
        [&name, &path].into_iter().flatten().any(|file| file.ends_with(PREVIEW_FILE_ENDING));
    Ok(File {
        transfer_state: int(sql, "transfer_state")?,
        media_type: text(sql, "mime_type")?,
        uti: text(sql, "uti")?,
        name,
        path,
        bytes: u64::try_from(int(sql, "total_bytes")?).unwrap_or(0),
        is_sticker: flag(sql, "is_sticker")?,
        is_hidden: is_preview || flag(sql, "hide_attachment")?,
    })
}

/// One of our own rows, without its chats.
pub(super) fn outgoing(sql: &SqlRow<'_>) -> rusqlite::Result<OutgoingRow> {
    Ok(OutgoingRow {
        rowid: int(sql, "rowid")?,
        guid: text(sql, "guid")?.unwrap_or_default(),
        chats: Vec::new(),
        handle: text(sql, "handle")?,
        text: body(sql)?,
        service: text(sql, "service")?,
        is_sent: flag(sql, "is_sent")?,
        is_delivered: is_delivered(sql)?,
        error: int(sql, "error")?,
        item_type: int(sql, "item_type")?,
        associated_type: int(sql, "associated_message_type")?,
        balloon: text(sql, "balloon_bundle_id")?,
        has_files: flag(sql, "has_files")?,
        is_ghost: false,
    })
}

pub(super) fn send_state(sql: &SqlRow<'_>) -> rusqlite::Result<SendState> {
    let (error, is_sent) = (int(sql, "error")?, flag(sql, "is_sent")?);
    Ok(SendState::from_flags(error, is_sent, is_delivered(sql)?))
}

fn is_delivered(sql: &SqlRow<'_>) -> rusqlite::Result<bool> {
    Ok(flag(sql, "is_delivered")? || int(sql, "date_delivered")? != 0)
}

/// Where one of our own messages stands.
pub(super) fn send_status(sql: &SqlRow<'_>) -> rusqlite::Result<SendStatus> {
    Ok(SendStatus {
        state: send_state(sql)?,
        service: text(sql, "service")?,
        was_downgraded: flag(sql, "was_downgraded")?,
    })
}

/// A row id and its guid.
pub(super) fn guid_pair(sql: &SqlRow<'_>) -> rusqlite::Result<(i64, String)> {
    Ok((int(sql, "rowid")?, text(sql, "guid")?.unwrap_or_default()))
}
