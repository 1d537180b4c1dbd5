//! Messages that go out: the rows Messages writes once it has accepted a send.

use rusqlite::{OptionalExtension, params};

use super::writer::{NewMessage, attach, attachment_guid, fresh_guid, insert, join, newest_guid};
use super::{Chat, Error, File, MessagesDb, Row, Service};
use crate::demo::typedstream::{Part, encode_parts, encode_text};

/// Messages' error number for a recipient it cannot reach.
pub const ERROR_UNREACHABLE: i64 = 22;

/// What becomes of an accepted send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutgoingShape {
    /// Sent, and delivered where the network reports that.
    Ok,
    /// Accepted, then failed with [`ERROR_UNREACHABLE`].
    Failed,
    /// An empty row that belongs to no chat: nobody received anything.
    Ghost,
    /// The same text twice, in two rows.
    Double,
    /// Accepted and neither sent nor failed.
    Accepted,
}

impl MessagesDb {
    /// Writes what Messages writes for one send; the answer is the first row.
    pub fn outgoing(&self, chat: &Chat, text: &str, shape: OutgoingShape) -> Result<Row, Error> {
        match shape {
            OutgoingShape::Ghost => return self.ghost(chat),
            OutgoingShape::Accepted => return self.accept(chat, text),
            OutgoingShape::Ok | OutgoingShape::Failed | OutgoingShape::Double => {}
        }
        let row = self.accept(chat, text)?;
        if shape == OutgoingShape::Failed {
            self.mark_failed(&row, ERROR_UNREACHABLE)?;
            return Ok(row);
        }
        self.mark_sent(&row)?;
        if shape == OutgoingShape::Double {
            let second = self.accept(chat, text)?;
            self.mark_sent(&second)?;
        }
        self.mark_delivered(&row)?;
        Ok(row)
    }

    /// The row of a send that was accepted and is still under way. Its text column is NULL.
    pub fn accept(&self, chat: &Chat, text: &str) -> Result<Row, Error> {
        self.accept_body(chat, |_| encode_text(text), None)
    }

    /// The same for a file.
    pub fn accept_file(&self, chat: &Chat, file: &File) -> Result<Row, Error> {
        let body = |guid: &str| encode_parts(&[Part::Attachment(&attachment_guid(guid))]);
        self.accept_body(chat, body, Some(file))
    }

    /// The row is on its way to the recipient.
    pub fn mark_sent(&self, row: &Row) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE message SET is_sent = 1, is_finished = 1 WHERE ROWID = ?1",
            [row.rowid],
        )?;
        Ok(())
    }

    /// The recipient has it. Does nothing to a text message: its network reports no delivery.
    pub fn mark_delivered(&self, row: &Row) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE message SET is_delivered = 1, date_delivered = ?1
             WHERE ROWID = ?2 AND service != 'SMS'",
            [self.now(), row.rowid],
        )?;
        Ok(())
    }

    /// The send failed after it was accepted.
    pub fn mark_failed(&self, row: &Row, error: i64) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE message SET error = ?1, is_finished = 1, is_sent = 0 WHERE ROWID = ?2",
            [error, row.rowid],
        )?;
        Ok(())
    }

    fn accept_body(
        &self,
        chat: &Chat,
        body: impl FnOnce(&str) -> Vec<u8>,
        file: Option<&File>,
    ) -> Result<Row, Error> {
        let transaction = self.begin()?;
        let guid = fresh_guid(&transaction)?;
        let message = NewMessage {
            body: Some(body(&guid)),
            guid,
            service: chat.service,
            handle: self.peer(chat)?,
            date: self.now(),
            from_me: true,
            reply_to: newest_guid(&transaction, chat)?,
            parts: 1,
            ..NewMessage::default()
        };
        let row = insert(&transaction, message)?;
        join(&transaction, chat, &row)?;
        if let Some(file) = file {
            attach(&transaction, &row, file, true)?;
        }
        transaction.commit()?;
        Ok(row)
    }

    /// A text-message row without body or chat, whose handle is the chat's own GUID.
    fn ghost(&self, chat: &Chat) -> Result<Row, Error> {
        let handle = self.person(&chat.guid, Service::Sms)?;
        let message = NewMessage {
            guid: fresh_guid(&self.connection)?,
            service: Service::Sms,
            handle: handle.rowid,
            date: self.now(),
            from_me: true,
            finished: true,
            ..NewMessage::default()
        };
        Ok(insert(&self.connection, message)?)
    }

    /// The handle on an outgoing row: the other person, or nobody in a group.
    fn peer(&self, chat: &Chat) -> Result<i64, Error> {
        if chat.group {
            return Ok(0);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT handle_id FROM chat_handle_join WHERE chat_id = ?1 ORDER BY handle_id",
        )?;
        let peer = statement.query_row(params![chat.rowid], |row| row.get(0)).optional()?;
        Ok(peer.unwrap_or(0))
    }
}
