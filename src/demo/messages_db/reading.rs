//! Reading the database back: what went out, for audits, and what `imsg` shows of a message.

use rusqlite::{OptionalExtension, Row as SqlRow};

use super::people::limit_value;
use super::{Error, MessagesDb};
use crate::demo::typedstream::decode_text;

/// One message of ours, as shown in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRow {
    /// Place in the table.
    pub rowid: i64,
    /// The chat it is shown in.
    pub chat_guid: String,
    /// Its identity.
    pub guid: String,
    /// What it says.
    pub text: String,
    /// Why it failed; 0 if it did not.
    pub error: i64,
}

/// How far one message of ours has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendState {
    /// The network it went out on.
    pub service: String,
    /// Handed to the network.
    pub is_sent: bool,
    /// With the recipient.
    pub is_delivered: bool,
    /// Nothing more will happen to it.
    pub is_finished: bool,
    /// Why it failed; 0 if it did not.
    pub error: i64,
}

/// One message with its chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Place in the table.
    pub rowid: i64,
    /// Its identity.
    pub guid: String,
    /// What it says.
    pub text: String,
    /// When it was written, as ISO 8601 with milliseconds.
    pub created_at: String,
    /// Whether we wrote it.
    pub is_from_me: bool,
    /// Kind of a group event; 0 for a message.
    pub item_type: i64,
    /// Kind of a reaction; 0 for a message.
    pub associated_type: i64,
    /// The message a reaction is about.
    pub associated_guid: Option<String>,
    /// The app that draws it.
    pub balloon: Option<String>,
    /// Who wrote it, or in our own direct messages to whom.
    pub handle: String,
    /// The chat it is shown in; `None` while it has none.
    pub chat_rowid: Option<i64>,
}

impl MessagesDb {
    /// Every message of ours that is shown in a chat, failed ones included, oldest first.
    pub fn outgoing_rows(&self) -> Result<Vec<OutgoingRow>, Error> {
        self.outgoing_rows_after(0)
    }

    /// Those of them above a row id.
    pub fn outgoing_rows_after(&self, rowid: i64) -> Result<Vec<OutgoingRow>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.guid, m.guid, m.text, m.attributedBody, m.error, m.ROWID FROM message m
             JOIN chat_message_join j ON j.message_id = m.ROWID JOIN chat c ON c.ROWID = j.chat_id
             WHERE m.is_from_me = 1 AND m.item_type = 0 AND m.associated_message_type = 0
             AND m.ROWID > ?1 ORDER BY m.ROWID",
        )?;
        let rows = statement.query_map([rowid], |row| {
            Ok(OutgoingRow {
                rowid: row.get(5)?,
                chat_guid: row.get(0)?,
                guid: row.get(1)?,
                text: body(row.get(2)?, row.get(3)?),
                error: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Chat GUID and text of every message that went out. A failed one reached nobody.
    pub fn outgoing_texts(&self) -> Result<Vec<(String, String)>, Error> {
        let rows = self.outgoing_rows()?.into_iter();
        Ok(rows.filter(|row| row.error == 0).map(|row| (row.chat_guid, row.text)).collect())
    }

    /// The rows above `since_rowid`, in the order of their row ids.
    /// A row in several chats is shown once, in the oldest of them.
    pub fn messages_after(
        &self,
        since_rowid: i64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT m.ROWID, m.guid, m.text, m.attributedBody,
                 strftime('%Y-%m-%dT%H:%M:%fZ', m.date / 1e9 + 978307200, 'unixepoch'),
                 m.is_from_me, m.item_type, m.associated_message_type, m.associated_message_guid,
                 m.balloon_bundle_id, COALESCE(h.id, ''),
                 (SELECT MIN(chat_id) FROM chat_message_join WHERE message_id = m.ROWID)
             FROM message m LEFT JOIN handle h ON h.ROWID = m.handle_id
             WHERE m.ROWID > ?1 ORDER BY m.ROWID LIMIT ?2",
        )?;
        let rows = statement.query_map([since_rowid, limit_value(limit)], read_message)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far a message has come; `None` if there is no such message.
    pub fn send_state(&self, guid: &str) -> Result<Option<SendState>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT service, is_sent, is_delivered, is_finished, error FROM message
             WHERE guid = ?1",
        )?;
        let state = statement.query_row([guid], |row| {
            Ok(SendState {
                service: row.get(0)?,
                is_sent: row.get(1)?,
                is_delivered: row.get(2)?,
                is_finished: row.get(3)?,
                error: row.get(4)?,
            })
        });
        Ok(state.optional()?)
    }

    /// The highest row id in use; 0 in an empty database.
    pub fn newest_rowid(&self) -> Result<i64, Error> {
        let query = "SELECT COALESCE(MAX(ROWID), 0) FROM message";
        Ok(self.connection.query_row(query, [], |row| row.get(0))?)
    }
}

fn read_message(row: &SqlRow<'_>) -> rusqlite::Result<StoredMessage> {
    Ok(StoredMessage {
        rowid: row.get(0)?,
        guid: row.get(1)?,
        text: body(row.get(2)?, row.get(3)?),
        created_at: row.get(4)?,
        is_from_me: row.get(5)?,
        item_type: row.get(6)?,
        associated_type: row.get(7)?,
        associated_guid: row.get(8)?,
        balloon: row.get(9)?,
        handle: row.get(10)?,
        chat_rowid: row.get(11)?,
    })
}

/// The archive is the message; the text column is a copy that may be missing.
fn body(text: Option<String>, archive: Option<Vec<u8>>) -> String {
    archive.and_then(|bytes| decode_text(&bytes).ok()).or(text).unwrap_or_default()
}
