//! One message row with all the columns Messages fills, and the links that hang on it.

use rusqlite::{Connection, named_params, params};

use super::{Chat, Error, File, MessagesDb, Row, Service};

/// A binary property list that holds an empty dictionary: the least a reader accepts.
pub(super) const EMPTY_PLIST: &[u8] =
    b"bplist00\xd0\x08\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09";
/// Layout version of a message row.
const ROW_VERSION: i64 = 10;
const ACCOUNT_GUID: &str = "5C0C6D5E-1111-4222-8333-944455556666";
/// State number of an attachment whose file has arrived.
const TRANSFER_DONE: i64 = 5;
const NS_PER_SECOND: i64 = 1_000_000_000;

/// What differs from one message row to the next.
#[derive(Debug, Default)]
pub(super) struct NewMessage {
    /// A chosen place; normally the next free one.
    pub(super) rowid: Option<i64>,
    pub(super) guid: String,
    pub(super) text: Option<String>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) service: Service,
    pub(super) handle: i64,
    /// Nanoseconds since 2001.
    pub(super) date: i64,
    pub(super) from_me: bool,
    pub(super) finished: bool,
    pub(super) spam: bool,
    pub(super) item_type: i64,
    pub(super) group_title: Option<String>,
    pub(super) associated_guid: Option<String>,
    pub(super) associated_type: i64,
    pub(super) balloon: Option<&'static str>,
    pub(super) reply_to: Option<String>,
    pub(super) parts: i64,
}

/// A new message identity, in the upper-case form Messages uses.
pub(super) fn fresh_guid(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row(
        "SELECT printf('%s-%s-4%s-%s%s-%s', hex(randomblob(4)), hex(randomblob(2)),
             substr(hex(randomblob(2)), 2), substr('89AB', 1 + (random() & 3), 1),
             substr(hex(randomblob(2)), 2), hex(randomblob(6)))",
        [],
        |row| row.get(0),
    )
}

/// Writes the row itself; it belongs to no chat yet.
pub(super) fn insert(connection: &Connection, message: NewMessage) -> rusqlite::Result<Row> {
    let inbound = !message.from_me;
    let preview = message.balloon.map(|_| EMPTY_PLIST);
    let mut statement = connection.prepare_cached(
        "INSERT INTO message (ROWID, guid, text, attributedBody, version, service, account,
             account_guid, date, date_read, date_delivered, date_retracted, date_edited,
             is_delivered, is_finished, is_from_me, is_sent, is_spam, handle_id, item_type,
             group_title, associated_message_guid, associated_message_type, balloon_bundle_id,
             payload_data, reply_to_guid, part_count, destination_caller_id,
             message_summary_info, sort_id)
         VALUES (:rowid, :guid, :text, :body, :version, :service, :account,
             :account_guid, :date, 0, :delivered_at, 0, 0,
             :delivered, :finished, :from_me, 0, :spam, :handle, :item_type,
             :group_title, :associated_guid, :associated_type, :balloon,
             :payload, :reply_to, :parts, :own_address, :summary, 0)",
    )?;
    let rowid = statement.insert(named_params! {
        ":rowid": message.rowid,
        ":guid": message.guid,
        ":text": message.text,
        ":body": message.body,
        ":version": ROW_VERSION,
        ":service": message.service.name(),
        ":account": message.service.account(),
        ":account_guid": ACCOUNT_GUID,
        ":date": message.date,
        ":delivered_at": if inbound { message.date } else { 0 },
        ":delivered": inbound,
        ":finished": message.finished,
        ":from_me": message.from_me,
        ":spam": message.spam,
        ":handle": message.handle,
        ":item_type": message.item_type,
        ":group_title": message.group_title,
        ":associated_guid": message.associated_guid,
        ":associated_type": message.associated_type,
        ":balloon": message.balloon,
        ":payload": preview,
        ":reply_to": message.reply_to,
        ":parts": message.parts,
        ":own_address": message.service.own_address(),
        ":summary": EMPTY_PLIST,
    })?;
    Ok(Row { rowid, guid: message.guid })
}

/// Shows the row in a chat.
pub(super) fn join(connection: &Connection, chat: &Chat, row: &Row) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO chat_message_join (chat_id, message_id, message_date)
         SELECT ?1, ROWID, date FROM message WHERE ROWID = ?2",
    )?;
    statement.execute([chat.rowid, row.rowid]).map(drop)
}

/// The newest message of the chat: Messages fills the reply column of ordinary rows with it.
pub(super) fn newest_guid(
    connection: &Connection,
    chat: &Chat,
) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT m.guid FROM chat_message_join j JOIN message m ON m.ROWID = j.message_id
             WHERE j.chat_id = ?1 ORDER BY j.message_date DESC, j.message_id DESC LIMIT 1)",
    )?;
    statement.query_row([chat.rowid], |row| row.get(0))
}

/// The transfer GUID of a message's only attachment.
pub(super) fn attachment_guid(message_guid: &str) -> String {
    format!("at_0_{message_guid}")
}

/// Hangs a file on the row.
pub(super) fn attach(
    connection: &Connection,
    row: &Row,
    file: &File,
    from_me: bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO attachment (guid, original_guid, created_date, filename, uti, mime_type,
             transfer_state, is_outgoing, transfer_name, total_bytes)
         SELECT ?1, ?1, date / ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM message WHERE ROWID = ?10",
    )?;
    let attachment = statement.insert(params![
        attachment_guid(&row.guid),
        NS_PER_SECOND,
        file.path,
        file.uniform_type(),
        file.media_type,
        if file.path.is_some() { TRANSFER_DONE } else { 0 },
        from_me,
        file.name,
        file.bytes,
        row.rowid,
    ])?;
    let mut link = connection.prepare_cached(
        "INSERT INTO message_attachment_join (message_id, attachment_id) VALUES (?1, ?2)",
    )?;
    link.execute([row.rowid, attachment]).map(drop)
}

impl MessagesDb {
    /// Shows a row in a chat: the second step of a row written without one.
    pub fn join(&self, chat: &Chat, row: &Row) -> Result<(), Error> {
        Ok(join(&self.connection, chat, row)?)
    }

    /// The file of a row's attachment has arrived at `path`.
    pub fn finish_transfer(&self, row: &Row, path: &str) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE attachment SET filename = ?1, transfer_state = ?2 WHERE guid = ?3",
            params![path, TRANSFER_DONE, attachment_guid(&row.guid)],
        )?;
        Ok(())
    }

    /// Removes a row for good, as a resync does before it writes the message anew.
    pub fn delete(&self, row: &Row) -> Result<(), Error> {
        let transaction = self.begin()?;
        for query in [
            "DELETE FROM attachment WHERE ROWID IN
                 (SELECT attachment_id FROM message_attachment_join WHERE message_id = ?1)",
            "DELETE FROM message_attachment_join WHERE message_id = ?1",
            "DELETE FROM chat_message_join WHERE message_id = ?1",
            "DELETE FROM message WHERE ROWID = ?1",
        ] {
            transaction.execute(query, [row.rowid])?;
        }
        Ok(transaction.commit()?)
    }
}
