//! Reading Messages' chat.db: one long-lived read-only connection, short statements.
//!
//! Everything here blocks, and a reader can be held inside SQLite for some 10 s beyond the busy
//! timeout while Messages recovers its log. Call it on a thread that may block, with a watchdog.
//!
//! No statement outlives its method, so no read transaction keeps Messages from checkpointing.
//! Nothing but SQLite ever opens chat.db or its side files in this process: closing such a file
//! drops every lock that the process holds on it. Who replaced the file is told by its name only.

mod error;
mod query;
mod read;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi::SQLITE_READONLY_DBMOVED;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row as SqlRow};

pub use error::ChatDbError;
use query::Queries;

use crate::clock::Timestamp;

use super::row::{Chat, OutgoingRow, Row, SendState, apple_date, normalise_handle};

/// Most of our own rows looked at for one send. What was sent is among the first ones behind its
/// base row id.
pub const OUTGOING_ROWS_MAX: usize = 1_000;

/// Every statement stays prepared.
const STATEMENTS_MAX: usize = 32;

/// Which file a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device.
    pub dev: u64,
    /// The file on the device.
    pub ino: u64,
}

/// Which database an open connection reads. Row ids mean something within one database only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The file it opened. After a replacement the path names another one, while the connection
    /// goes on reading the old file without any error.
    pub file: FileId,
    /// The id Messages gave the database, if it has one.
    pub unique_id: Option<String>,
}

impl Identity {
    /// Whether this is the database that was noted under these.
    pub fn is(&self, dev: u64, ino: u64, unique_id: Option<&str>) -> bool {
        self.file == FileId { dev, ino } && self.unique_id.as_deref() == unique_id
    }
}

/// Where one of our own messages stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendStatus {
    /// Pending, sent, delivered or failed.
    pub state: SendState,
    /// The service it took.
    pub service: Option<String>,
    /// Whether it went as SMS although iMessage was meant.
    pub was_downgraded: bool,
}

/// An open chat.db.
#[derive(Debug)]
pub struct ChatDb {
    connection: Connection,
    queries: Queries,
    file: FileId,
}

/// Which file `path` names now.
pub fn path_identity(path: &Path) -> Result<FileId, ChatDbError> {
    let metadata = path.metadata().map_err(|error| ChatDbError::from_stat(path, &error))?;
    Ok(FileId { dev: metadata.dev(), ino: metadata.ino() })
}

impl ChatDb {
    /// Opens the database at `path` for reading. Locks are waited for up to `busy_timeout`.
    pub fn open(path: impl Into<PathBuf>, busy_timeout: Duration) -> Result<Self, ChatDbError> {
        let path = path.into();
        let file = path_identity(&path)?;
        let (connection, queries) =
            connect(&path, busy_timeout).map_err(|error| error.at_open(&path))?;
        // The file may have been replaced while it was opened; then nobody knows which one it is.
        if path_identity(&path)? != file {
            let message = format!("{} was replaced while it was opened", path.display());
            return Err(ChatDbError::Retryable { code: SQLITE_READONLY_DBMOVED, message });
        }
        Ok(Self { connection, queries, file })
    }

    /// Which database this is.
    pub fn identity(&self) -> Result<Identity, ChatDbError> {
        let unique_id = match self.queries.unique_id {
            Some(sql) => self.first(sql, [], |sql| read::text(sql, "value"))?.flatten(),
            None => None,
        };
        Ok(Identity { file: self.file, unique_id })
    }

    /// A number that changes when anybody else commits. Costs no input or output.
    pub fn data_version(&self) -> Result<i64, ChatDbError> {
        self.number(query::DATA_VERSION)
    }

    /// The highest row id; 0 in an empty database.
    pub fn max_rowid(&self) -> Result<i64, ChatDbError> {
        self.number(query::MAX_ROWID)
    }

    /// The guid at a row id: a cursor whose row changed its guid is of another database.
    pub fn guid_at(&self, rowid: i64) -> Result<Option<String>, ChatDbError> {
        Ok(self.first(query::GUID_AT, [rowid], |sql| read::text(sql, "guid"))?.flatten())
    }

    /// The first `limit` row ids above `rowid` with their guids, ascending.
    pub fn guids_above(&self, rowid: i64, limit: usize) -> Result<Vec<(i64, String)>, ChatDbError> {
        self.all(query::GUIDS_ABOVE, (rowid, sql_limit(limit)), read::guid_pair)
    }

    /// The first `limit` rows written after `time` with their guids, by date. Finds rows that
    /// were inserted far below the highest row id.
    pub fn guids_since(
        &self,
        time: Timestamp,
        limit: usize,
    ) -> Result<Vec<(i64, String)>, ChatDbError> {
        self.all(query::GUIDS_SINCE, (apple_date(time), sql_limit(limit)), read::guid_pair)
    }

    /// One message with its chat, sender and files.
    pub fn row(&self, rowid: i64) -> Result<Option<Row>, ChatDbError> {
        let Some(mut row) = self.first(&self.queries.row, [rowid], read::row)? else {
            return Ok(None);
        };
        if let Some(sql) = &self.queries.files {
            row.files = self.all(sql, [rowid], read::file)?;
        }
        if row.chat.is_none()
            && let Some(sql) = self.queries.is_deleted
        {
            row.is_deleted = self.first(sql, [rowid], |_| Ok(()))?.is_some();
        }
        Ok(Some(row))
    }

    /// Our own addresses, normalised: logins of chats, addresses used in them, and those that
    /// the latest messages came to.
    pub fn own_addresses(&self) -> Result<BTreeSet<String>, ChatDbError> {
        let mut addresses = BTreeSet::new();
        for sql in &self.queries.own_addresses {
            let found = self.all(sql, [], |sql| read::text(sql, "address"))?;
            addresses.extend(found.iter().flatten().map(|address| own_address(address)));
        }
        addresses.remove("");
        Ok(addresses)
    }

    /// Our own rows above `base_rowid`, the first [`OUTGOING_ROWS_MAX`] of them.
    pub fn outgoing_above(&self, base_rowid: i64) -> Result<Vec<OutgoingRow>, ChatDbError> {
        let limit = sql_limit(OUTGOING_ROWS_MAX);
        let mut rows = self.all(&self.queries.outgoing, (base_rowid, limit), read::outgoing)?;
        for row in &mut rows {
            row.chats = self.all(&self.queries.chats_of_message, [row.rowid], read::chat_ref)?;
            row.is_ghost = row.chats.is_empty()
                && row.text.is_none()
                && !row.has_files
                && row.service.as_deref() == Some("SMS");
        }
        Ok(rows)
    }

    /// Where our message `guid` stands; `None` when there is no row of it, which proves nothing.
    pub fn send_status(&self, guid: &str) -> Result<Option<SendStatus>, ChatDbError> {
        self.first(&self.queries.send_status, [guid], read::send_status)
    }

    /// The chat with a row id.
    pub fn chat_by_rowid(&self, rowid: i64) -> Result<Option<Chat>, ChatDbError> {
        Ok(self.first(&self.queries.chat_by_rowid, [rowid], read::chat)?.flatten())
    }

    /// The chat with exactly this guid.
    pub fn chat_by_guid(&self, guid: &str) -> Result<Option<Chat>, ChatDbError> {
        Ok(self.first(&self.queries.chat_by_guid, [guid], read::chat)?.flatten())
    }

    /// The chats with this identifier, by row id: one person has a chat per service.
    pub fn chats_by_identifier(&self, identifier: &str) -> Result<Vec<Chat>, ChatDbError> {
        let Some(sql) = &self.queries.chats_by_identifier else {
            return Ok(Vec::new());
        };
        Ok(self.all(sql, [identifier], read::chat)?.into_iter().flatten().collect())
    }

    fn number(&self, sql: &str) -> Result<i64, ChatDbError> {
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        field: impl FnOnce(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, ChatDbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params, field).optional()?)
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        field: impl Fn(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ChatDbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map(params, field)?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

/// Never `immutable`: that would not see what Messages has not checkpointed yet.
fn connect(path: &Path, busy_timeout: Duration) -> Result<(Connection, Queries), ChatDbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "query_only", true)?;
    // A mapped file that another process truncates kills this one.
    connection.pragma_update(None, "mmap_size", 0)?;
    let queries = Queries::probe(&connection)?;
    Ok((connection, queries))
}

/// An own address without the `E:` or `P:` that logins carry.
fn own_address(stored: &str) -> String {
    let bare = match stored.trim().split_once(':') {
        Some((prefix, rest))
            if prefix.eq_ignore_ascii_case("e") || prefix.eq_ignore_ascii_case("p") =>
        {
            rest
        }
        _ => stored,
    };
    normalise_handle(bare)
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
