//! A synthetic Messages database: the schema of macOS 15, and rows as Messages writes them.
//!
//! Every method is one or more commits of its own and none of them waits: what Messages spreads
//! over time (a late join, a late body) is a separate step here, taken when the caller says so.

mod inbound;
mod outgoing;
mod people;
mod reading;
mod schema;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use telson_actors::clock::{Clock, Timestamp};

pub use inbound::{File, Shape};
pub use outgoing::{ERROR_UNREACHABLE, OutgoingShape};
pub use people::{Chat, ChatName, Person, Service};
pub use reading::{OutgoingRow, SendState, StoredMessage};
pub use upkeep::{Checkpoint, CheckpointMode, Replaced};

/// How long a writer waits for another one; several processes write during a demonstration.
const BUSY_WAIT: Duration = Duration::from_secs(30);
/// The owner's addresses, from ranges that belong to nobody.
pub const OWN_PHONE: &str = "+15550009999";
/// The owner's e-mail address, under which iMessage is signed in.
pub const OWN_EMAIL: &str = "me@example.com";
/// 2001-01-01 UTC, where dates in the database start.
const DATES_START_UNIX_MS: i64 = 978_307_200_000;
const NS_PER_MS: i64 = 1_000_000;

/// A message in the database: where it is now, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    /// Place in the table; another one after a resync.
    pub rowid: i64,
    /// The message's identity.
    pub guid: String,
}

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or made.
    #[error("open the messages database {path}: {source}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A statement failed.
    #[error("read or write the messages database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// No chat answers to that name.
    #[error("find chat {0} in the messages database; create it first")]
    NoChat(String),
    /// A row below the newest one was asked for, and every id is taken.
    #[error("write below the newest message: every row id is taken; leave a gap first")]
    NoGap,
    /// The database file could not be exchanged.
    #[error("replace the messages database {path}: {source}")]
    Replace {
        /// The file that could not be moved or removed.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A writer's connection to a Messages database.
#[derive(Debug)]
pub struct MessagesDb {
    path: PathBuf,
    connection: Connection,
    clock: Clock,
}

impl MessagesDb {
    /// Makes a new, empty database in WAL mode. Refuses a file that already holds one.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Self::connect(path, flags)?;
        let transaction = db.begin()?;
        for statements in schema::ALL {
            transaction.execute_batch(statements)?;
        }
        let identity = writer::fresh_guid(&transaction)?;
        let properties = [
            ("_ClientVersion", schema::CLIENT_VERSION),
            ("_UniqueIdentifier", &identity),
            ("counter_in_all", "0"),
        ];
        for property in properties {
            transaction
                .execute("INSERT INTO _SqliteDatabaseProperties VALUES (?1, ?2)", property)?;
        }
        transaction.commit()?;
        Ok(db)
    }

    /// Opens an existing database for writing.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// The same database, with rows dated by another clock than the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, Error> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
        // A kill of this process loses nothing at this level; only a power cut would.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        Ok(Self { path: path.to_owned(), connection, clock: Clock::system() })
    }

    /// Takes the write lock first, so that two writers queue instead of failing half-way.
    fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
    }

    fn now(&self) -> i64 {
        apple_date(self.clock.now())
    }
}

/// Nanoseconds since 2001, the unit of every date column but an attachment's.
fn apple_date(time: Timestamp) -> i64 {
    time.0.saturating_sub(DATES_START_UNIX_MS).saturating_mul(NS_PER_MS)
}
