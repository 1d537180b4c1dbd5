//! Messages that come in, in every shape Messages has been seen to write.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::writer::{NewMessage, attach, attachment_guid, fresh_guid, insert, join, newest_guid};
use super::{Chat, Error, MessagesDb, Person, Row};
use crate::demo::typedstream::{Part, encode_parts, encode_text, shown_text};

/// Bundle of the row that carries a link's preview.
const URL_BALLOON: &str = "com.apple.messages.URLBalloonProvider";
/// Kind number of a heart put on a message.
const TAPBACK_LOVE: i64 = 2000;
/// Item number of a group's new name.
const ITEM_RENAME: i64 = 2;

/// How the first commit of an inbound message looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Text column and body, joined to its chat, all in one commit.
    Plain,
    /// Body only; the text column is NULL.
    BlobOnly,
    /// Text column only, as some text messages are.
    TextOnly,
    /// In no chat yet. Second step: [`MessagesDb::join`].
    LateJoin,
    /// Neither text nor body yet. Second step: [`MessagesDb::fill_body`].
    LateBody,
    /// At a free row id below the newest one. Needs [`MessagesDb::leave_gap`] before.
    BelowCursor,
    /// A new row whose date lies this far back.
    Stale(Duration),
    /// The same message once more: the old row goes, the GUID returns at a new row id.
    Resync(Row),
    /// A heart on that message; the text is the message's own.
    Tapback(Row),
    /// A file, with the text below it unless that is empty.
    Attachment(File),
    /// The preview row Messages writes after a text with a link; the text is the link.
    UrlBalloon,
    /// The group's new name; the text is the name.
    GroupEvent,
    /// Our own message, at first marked as not ours. Second step: [`MessagesDb::flip_from_me`].
    FromMeFlip,
    /// Marked as junk.
    Spam,
}

/// A file that comes with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name shown.
    pub name: String,
    /// Media type, such as `image/heic`.
    pub media_type: String,
    /// Where it lies; `None` while it is still on its way.
    pub path: Option<String>,
    /// Size in bytes.
    pub bytes: i64,
}

impl File {
    /// A photo that has arrived.
    pub fn photo() -> Self {
        Self {
            name: "IMG_0001.HEIC".to_owned(),
            media_type: "image/heic".to_owned(),
            path: Some("~/Library/Messages/Attachments/a0/00/at_0/IMG_0001.HEIC".to_owned()),
            bytes: 123_456,
        }
    }

    /// The same file, still on its way. Second step: [`MessagesDb::finish_transfer`].
    #[must_use]
    pub fn on_its_way(self) -> Self {
        Self { path: None, ..self }
    }

    /// Apple's name for the media type.
    pub(super) fn uniform_type(&self) -> &'static str {
        match self.media_type.as_str() {
            "image/heic" => "public.heic",
            "image/jpeg" => "public.jpeg",
            "image/png" => "public.png",
            "application/pdf" => "com.adobe.pdf",
            "audio/x-caf" => "com.apple.coreaudio-format",
            _ => "public.data",
        }
    }
}

impl MessagesDb {
    /// Writes an inbound message, or its first step if the shape has two.
    pub fn inbound(
        &self,
        chat: &Chat,
        sender: &Person,
        text: &str,
        shape: Shape,
    ) -> Result<Row, Error> {
        if let Shape::Resync(old) = &shape {
            self.delete(old)?;
        }
        let transaction = self.begin()?;
        let ordinary = NewMessage {
            guid: fresh_guid(&transaction)?,
            text: Some(text.to_owned()),
            body: Some(encode_text(text)),
            service: chat.service,
            handle: sender.rowid,
            date: self.now(),
            finished: true,
            reply_to: newest_guid(&transaction, chat)?,
            parts: 1,
            ..NewMessage::default()
        };
        let row = insert(&transaction, shaped(&transaction, ordinary, text, &shape)?)?;
        if shape != Shape::LateJoin {
            join(&transaction, chat, &row)?;
        }
        if let Shape::Attachment(file) = &shape {
            attach(&transaction, &row, file, false)?;
        }
        transaction.commit()?;
        Ok(row)
    }

    /// Writes text and body of a row that had none.
    pub fn fill_body(&self, row: &Row, text: &str) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE message SET text = ?1, attributedBody = ?2 WHERE ROWID = ?3",
            params![text, encode_text(text), row.rowid],
        )?;
        Ok(())
    }

    /// Corrects a row of our own that was first marked as somebody else's.
    pub fn flip_from_me(&self, row: &Row) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE message SET is_from_me = 1, is_sent = 1 WHERE ROWID = ?1",
            [row.rowid],
        )?;
        Ok(())
    }
}

/// The columns in which a shape differs from an ordinary message.
fn shaped(
    connection: &Connection,
    ordinary: NewMessage,
    text: &str,
    shape: &Shape,
) -> Result<NewMessage, Error> {
    Ok(match shape {
        Shape::Plain | Shape::LateJoin | Shape::FromMeFlip => ordinary,
        Shape::BlobOnly => NewMessage { text: None, ..ordinary },
        Shape::TextOnly => NewMessage { body: None, ..ordinary },
        Shape::LateBody => NewMessage { text: None, body: None, ..ordinary },
        Shape::BelowCursor => NewMessage { rowid: Some(free_rowid(connection)?), ..ordinary },
        Shape::Stale(age) => NewMessage { date: earlier(ordinary.date, *age), ..ordinary },
        Shape::Resync(old) => NewMessage { guid: old.guid.clone(), ..ordinary },
        Shape::Tapback(target) => tapback(ordinary, text, target),
        Shape::Attachment(_) => with_marker(ordinary, text),
        Shape::UrlBalloon => NewMessage { balloon: Some(URL_BALLOON), ..ordinary },
        Shape::GroupEvent => group_event(ordinary),
        Shape::Spam => NewMessage { spam: true, ..ordinary },
    })
}

fn tapback(ordinary: NewMessage, text: &str, target: &Row) -> NewMessage {
    let told = format!("Loved \u{201c}{text}\u{201d}");
    NewMessage {
        body: Some(encode_text(&told)),
        text: Some(told),
        associated_guid: Some(format!("p:0/{}", target.guid)),
        associated_type: TAPBACK_LOVE,
        ..ordinary
    }
}

fn with_marker(ordinary: NewMessage, text: &str) -> NewMessage {
    let transfer = attachment_guid(&ordinary.guid);
    let parts = [Part::Attachment(&transfer), Part::Text(text)];
    let parts = if text.is_empty() { &parts[..1] } else { &parts };
    NewMessage {
        text: Some(shown_text(parts)),
        body: Some(encode_parts(parts)),
        parts: if text.is_empty() { 1 } else { 2 },
        ..ordinary
    }
}

fn group_event(ordinary: NewMessage) -> NewMessage {
    NewMessage {
        item_type: ITEM_RENAME,
        group_title: ordinary.text,
        text: None,
        body: None,
        ..ordinary
    }
}

fn earlier(date: i64, age: Duration) -> i64 {
    date.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX))
}

/// The highest row id below the newest message that no message has.
fn free_rowid(connection: &Connection) -> Result<i64, Error> {
    let free: Option<i64> = connection.query_row(
        "SELECT MAX(m.ROWID - 1) FROM message m WHERE m.ROWID > 1
             AND NOT EXISTS (SELECT 1 FROM message p WHERE p.ROWID = m.ROWID - 1)",
        [],
        |row| row.get(0),
    )?;
    free.ok_or(Error::NoGap)
}
