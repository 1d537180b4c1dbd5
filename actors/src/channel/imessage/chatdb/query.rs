//! The SQL for one database.
//!
//! Columns come and go between macOS versions, and two machines of one version can differ. So the
//! statements are put together from the columns that are there; absent ones read as NULL.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::ChatDbError;
use crate::channel::imessage::typedstream::BLOB_BYTES_MAX;

/// Most files of one message that are read. Messages itself sends no more than some dozens.
pub(super) const FILES_MAX: usize = 256;

/// How many of the latest messages are asked which of our addresses they came to: there is no
/// index on it, and an address that none of them used is hardly ours any more.
pub(super) const OWN_ADDRESS_MESSAGES: usize = 5_000;

const TABLES: [(&str, &[&str]); 4] = [
    ("message", &["guid", "text", "handle_id", "date", "is_from_me", "service"]),
    ("handle", &["id"]),
    ("chat", &["guid"]),
    ("chat_message_join", &["chat_id", "message_id"]),
];

/// The statements that fit one database.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) row: String,
    pub(super) files: Option<String>,
    pub(super) is_deleted: Option<&'static str>,
    pub(super) outgoing: String,
    pub(super) send_status: String,
    pub(super) chat_by_rowid: String,
    pub(super) chat_by_guid: String,
    pub(super) chats_by_identifier: Option<String>,
    pub(super) chats_of_message: String,
    pub(super) own_addresses: Vec<String>,
    pub(super) unique_id: Option<&'static str>,
}

pub(super) const DATA_VERSION: &str = "PRAGMA data_version";
pub(super) const MAX_ROWID: &str = "SELECT COALESCE(MAX(ROWID), 0) FROM message";
pub(super) const GUID_AT: &str = "SELECT guid FROM message WHERE ROWID = ?1";
pub(super) const GUIDS_ABOVE: &str =
    "SELECT ROWID AS rowid, guid FROM message WHERE ROWID > ?1 ORDER BY ROWID LIMIT ?2";
pub(super) const GUIDS_SINCE: &str =
    "SELECT ROWID AS rowid, guid FROM message WHERE date > ?1 ORDER BY date LIMIT ?2";

impl Queries {
    /// Looks at the tables and puts the statements together.
    pub(super) fn probe(connection: &Connection) -> Result<Self, ChatDbError> {
        for (table, needed) in TABLES {
            let columns = columns(connection, table)?;
            if let Some(missing) = needed.iter().find(|column| !columns.contains(**column)) {
                return Err(ChatDbError::other(format!(
                    "it is no Messages database, as table {table} lacks column {missing}"
                )));
            }
        }
        let message = Table::probe(connection, "message", "m")?;
        let chat = Table::probe(connection, "chat", "c")?;
        let attachment = Table::probe(connection, "attachment", "a")?;
        let has_files = !attachment.columns.is_empty()
            && !columns(connection, "message_attachment_join")?.is_empty();
        let has = |table| columns(connection, table).map(|columns| !columns.is_empty());
        Ok(Self {
            row: row_sql(&message, &chat),
            files: has_files.then(|| files_sql(&attachment)),
            is_deleted: has("chat_recoverable_message_join")?.then_some(
                "SELECT 1 FROM chat_recoverable_message_join WHERE message_id = ?1 LIMIT 1",
            ),
            outgoing: outgoing_sql(&message, has_files),
            send_status: format!("SELECT {} FROM message m WHERE m.guid = ?1", flags(&message)),
            chat_by_rowid: chat_sql(&chat, "c.ROWID = ?1"),
            chat_by_guid: chat_sql(&chat, "c.guid = ?1"),
            chats_by_identifier: chat
                .has("chat_identifier")
                .then(|| chat_sql(&chat, "c.chat_identifier = ?1")),
            chats_of_message: format!(
                "SELECT c.ROWID AS chat_rowid, c.guid AS chat_guid, {} FROM chat_message_join j \
                 JOIN chat c ON c.ROWID = j.chat_id WHERE j.message_id = ?1 ORDER BY c.ROWID",
                chat.pick("chat_identifier"),
            ),
            own_addresses: own_address_sql(&message, &chat),
            unique_id: has("_SqliteDatabaseProperties")?.then_some(
                "SELECT value FROM _SqliteDatabaseProperties WHERE key = '_UniqueIdentifier'",
            ),
        })
    }
}

/// A table as it is in this database, under the alias the statements use.
struct Table {
    alias: &'static str,
    columns: BTreeSet<String>,
}

impl Table {
    fn probe(
        connection: &Connection,
        name: &str,
        alias: &'static str,
    ) -> Result<Self, ChatDbError> {
        Ok(Self { alias, columns: columns(connection, name)? })
    }

    fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// A column, or NULL under its name.
    fn pick(&self, column: &str) -> String {
        if self.has(column) {
            format!("{}.{column} AS {column}", self.alias)
        } else {
            format!("NULL AS {column}")
        }
    }

    fn picks(&self, columns: &[&str]) -> String {
        columns.iter().map(|column| self.pick(column)).collect::<Vec<_>>().join(", ")
    }

    /// A text or blob column, or NULL where it is longer than what is ever decoded.
    fn pick_capped(&self, column: &str) -> String {
        if !self.has(column) {
            return self.pick(column);
        }
        let column_path = format!("{}.{column}", self.alias);
        format!(
            "CASE WHEN length({column_path}) <= {BLOB_BYTES_MAX} THEN {column_path} END AS {column}"
        )
    }
}

fn columns(connection: &Connection, table: &str) -> Result<BTreeSet<String>, ChatDbError> {
    let mut statement = connection.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn row_sql(message: &Table, chat: &Table) -> String {
    format!(
        "SELECT m.ROWID AS rowid, {}, {}, {}, h.id AS sender, {} FROM message m \
         LEFT JOIN handle h ON h.ROWID = m.handle_id \
         LEFT JOIN chat c ON c.ROWID = (SELECT MIN(k.ROWID) FROM chat_message_join j \
         JOIN chat k ON k.ROWID = j.chat_id WHERE j.message_id = m.ROWID) \
         WHERE m.ROWID = ?1",
        message.picks(&[
            "guid",
            "date",
            "date_edited",
            "is_from_me",
            "is_spam",
            "is_audio_message",
            "item_type",
            "associated_message_type",
            "associated_message_guid",
            "balloon_bundle_id",
            "service",
            "destination_caller_id",
        ]),
        message.pick_capped("text"),
        message.pick_capped("attributedBody"),
        chat_columns(chat),
    )
}

fn chat_columns(chat: &Table) -> String {
    let columns = chat.picks(&[
        "style",
        "chat_identifier",
        "service_name",
        "room_name",
        "account_login",
        "last_addressed_handle",
        "display_name",
    ]);
    format!("c.ROWID AS chat_rowid, c.guid AS chat_guid, {columns}")
}

fn chat_sql(chat: &Table, condition: &str) -> String {
    format!("SELECT {} FROM chat c WHERE {condition} ORDER BY c.ROWID", chat_columns(chat))
}

fn files_sql(attachment: &Table) -> String {
    let columns = attachment.picks(&[
        "transfer_state",
        "mime_type",
        "uti",
        "transfer_name",
        "filename",
        "total_bytes",
        "is_sticker",
        "hide_attachment",
    ]);
    format!(
        "SELECT {columns} FROM message_attachment_join j JOIN attachment a \
         ON a.ROWID = j.attachment_id WHERE j.message_id = ?1 ORDER BY a.ROWID LIMIT {FILES_MAX}"
    )
}

fn flags(message: &Table) -> String {
    let columns =
        ["service", "error", "is_sent", "is_delivered", "date_delivered", "was_downgraded"];
    message.picks(&columns)
}

fn outgoing_sql(message: &Table, has_files: bool) -> String {
    let files = if has_files {
        "EXISTS (SELECT 1 FROM message_attachment_join j WHERE j.message_id = m.ROWID)"
    } else {
        "0"
    };
    // The plus keeps SQLite from walking an index of flags instead of the end of the table.
    format!(
        "SELECT m.ROWID AS rowid, {}, {}, {}, {}, h.id AS handle, {files} AS has_files \
         FROM message m LEFT JOIN handle h ON h.ROWID = m.handle_id \
         WHERE m.ROWID > ?1 AND +m.is_from_me = 1 ORDER BY m.ROWID LIMIT ?2",
        message.picks(&["guid", "item_type", "associated_message_type", "balloon_bundle_id"]),
        flags(message),
        message.pick_capped("text"),
        message.pick_capped("attributedBody"),
    )
}

fn own_address_sql(message: &Table, chat: &Table) -> Vec<String> {
    let mut statements: Vec<String> = ["account_login", "last_addressed_handle"]
        .into_iter()
        .filter(|column| chat.has(column))
        .map(|column| format!("SELECT DISTINCT {column} AS address FROM chat"))
        .collect();
    if message.has("destination_caller_id") {
        statements.push(format!(
            "SELECT DISTINCT address FROM (SELECT destination_caller_id AS address FROM message \
             ORDER BY ROWID DESC LIMIT {OWN_ADDRESS_MESSAGES})"
        ));
    }
    statements
}
