//! What can go wrong while reading chat.db, sorted by what helps.

use std::io;
use std::path::Path;

use rusqlite::ffi;

/// Why chat.db could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatDbError {
    /// Messages holds a lock or moves its files: the next try may work.
    #[error("failed to read chat.db just now (SQLite code {code}): {message}; trying again helps")]
    Retryable {
        /// SQLite's extended result code.
        code: i32,
        /// What SQLite said.
        message: String,
    },
    /// macOS denies the file. Only a person can change that.
    #[error(
        "failed to read chat.db for lack of permission: {message}; grant Full Disk Access to the \
         program that starts this service, then restart it"
    )]
    Permission {
        /// What SQLite or macOS said.
        message: String,
    },
    /// The file is not a whole database.
    #[error("failed to read chat.db because it is damaged (SQLite code {code}): {message}")]
    Damaged {
        /// SQLite's extended result code.
        code: i32,
        /// What SQLite said.
        message: String,
    },
    /// Anything else, such as a database that is not of Messages.
    #[error("failed to read chat.db: {message}")]
    Other {
        /// What is wrong.
        message: String,
    },
}

impl ChatDbError {
    /// Sorts SQLite's extended result code.
    pub fn from_code(code: i32, message: String) -> Self {
        // The low byte is the class, the rest says more about it.
        match code & 0xff {
            ffi::SQLITE_BUSY
            | ffi::SQLITE_LOCKED
            | ffi::SQLITE_PROTOCOL
            | ffi::SQLITE_CANTOPEN
            | ffi::SQLITE_READONLY
            | ffi::SQLITE_SCHEMA
            | ffi::SQLITE_INTERRUPT
            | ffi::SQLITE_IOERR => Self::Retryable { code, message },
            ffi::SQLITE_AUTH | ffi::SQLITE_PERM => Self::Permission { message },
            ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT => Self::Damaged { code, message },
            _ => Self::Other { message },
        }
    }

    /// Whether another try, after a pause, may work.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. })
    }

    /// What the error means once it has outlived every retry: a file that never opens is denied.
    #[must_use]
    pub fn persisting(self) -> Self {
        match self {
            Self::Retryable { code, message } if code & 0xff == ffi::SQLITE_CANTOPEN => {
                Self::Permission { message }
            }
            other => other,
        }
    }

    /// Looks behind a failure to open: macOS lets nobody list the folder of a database it denies.
    /// Only names are looked up; the database's own files are never opened besides SQLite.
    pub(super) fn at_open(self, path: &Path) -> Self {
        let denied = |result: io::Result<()>| {
            result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let hidden = denied(path.metadata().map(drop))
            || folder.is_some_and(|folder| denied(folder.read_dir().map(drop)));
        if hidden { self.persisting() } else { self }
    }

    pub(super) fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into() }
    }

    /// A file that cannot be looked up may be on its way; Messages creates it at first use.
    pub(super) fn from_stat(path: &Path, error: &io::Error) -> Self {
        let message = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { message },
            _ => Self::Retryable { code: ffi::SQLITE_IOERR_FSTAT, message },
        }
    }
}

impl From<rusqlite::Error> for ChatDbError {
    fn from(error: rusqlite::Error) -> Self {
        let message = error.to_string();
        match error {
            rusqlite::Error::SqliteFailure(failure, _)
            | rusqlite::Error::SqlInputError { error: failure, .. } => {
                Self::from_code(failure.extended_code, message)
            }
            _ => Self::Other { message },
        }
    }
}
