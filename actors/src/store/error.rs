//! What can go wrong with memory.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::codec::RecordError;

/// An error of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the state directory.
    #[error("state directory {dir} is in use by a running telson{}; stop it or choose another --state-dir",
        .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The owner, where it left its number.
        pid: Option<u32>,
    },
    /// A file of the store cannot be used.
    #[error("cannot {action} {path}: {reason}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// The operator's system does not let this program write there.
    #[error(
        "cannot {action} {path}: {reason}; telson must be able to write there: check the owner \
        and the file system, or choose another --state-dir"
    )]
    NotWritable {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// The disk, or this user's share of it, is full: the write was not made. Nothing acknowledged
    /// before is lost; once there is space, open the store again.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// Written by a newer version of the program.
    #[error("store format {found} is newer than this program knows ({known}); use a newer telson")]
    Newer {
        /// In the store.
        found: u32,
        /// In this program.
        known: u32,
    },
    /// The database failed. After a failed write nothing more is acknowledged.
    #[error("database failed: {0}")]
    Database(String),
    /// The database has lost something, or can't be read at all. Its files are as they were.
    #[error("the database in {path} is damaged: {what}; restore the folder from a backup{}",
        if *.readable { ", or accept the loss: `telson run --accept-loss` goes on with what is left \
            and keeps the damaged files" } else { ", or move it away to start empty" })]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// Whether what is left can be read.
        readable: bool,
    },
    /// A write failed earlier; restart to recover from disk.
    #[error("store is fenced after an earlier failure: {0}")]
    Fenced(String),
    /// A condition of the batch did not hold; nothing was written.
    #[error("condition of the batch does not hold")]
    Conflict,
    /// The batch comes from a former owner of the partition.
    #[error("partition has a newer owner")]
    LostOwnership,
    /// More writes wait than may wait; try again shortly.
    #[error("too many writes are waiting")]
    Busy,
    /// The store is closed.
    #[error("store is closed")]
    Closed,
    /// A record is damaged.
    #[error("{key}: {error}")]
    Record {
        /// The key, readable.
        key: String,
        /// What is wrong with it.
        error: RecordError,
    },
}

impl StoreError {
    /// Whether space on the disk is all that is missing. The store may then be closed and opened
    /// again in the same process. After any other failed write it may not: a failed sync leaves
    /// content in memory that looks like content on the disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull(_))
    }

    /// The answer of the system to everything but a sync: a failed sync is never only a lack of
    /// space.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        let (path, reason) = (path.into(), error.to_string());
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::DiskFull(format!("cannot {action} {}: {reason}", path.display()))
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { action, path, reason }
            }
            _ => Self::File { action, path, reason },
        }
    }

    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
        reason: impl ToString,
    ) -> Self {
        Self::File { action, path: path.into(), reason: reason.to_string() }
    }
}
