//! What happens to the database file itself: rotation, checkpoints, a restored backup, gaps.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{Error, MessagesDb};

/// How much a checkpoint insists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Copies what no reader holds back.
    Passive,
    /// Waits for writers and readers, then copies everything.
    Full,
    /// As full, and the next writer starts the log anew.
    Restart,
    /// As restart, and the log is cut to nothing.
    Truncate,
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whether a reader or writer kept it from finishing.
    pub busy: bool,
    /// Pages in the log.
    pub log_pages: i64,
    /// Pages copied into the database.
    pub copied_pages: i64,
}

/// What is left after a backup took the database's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The highest row id the backup holds; new rows start above it.
    pub newest_rowid: i64,
    /// Messages that are gone.
    pub lost_guids: Vec<String>,
}

impl MessagesDb {
    /// Closes the writer and opens it again. Unless a reader is attached, the log and its index
    /// are deleted and made anew.
    pub fn rotate(&mut self) -> Result<(), Error> {
        self.close()?;
        self.reopen()
    }

    /// Copies the log into the database.
    pub fn checkpoint(&self, mode: CheckpointMode) -> Result<Checkpoint, Error> {
        let mode = match mode {
            CheckpointMode::Passive => "PASSIVE",
            CheckpointMode::Full => "FULL",
            CheckpointMode::Restart => "RESTART",
            CheckpointMode::Truncate => "TRUNCATE",
        };
        let query = format!("PRAGMA wal_checkpoint({mode})");
        Ok(self.connection.query_row(&query, [], |row| {
            Ok(Checkpoint { busy: row.get(0)?, log_pages: row.get(1)?, copied_pages: row.get(2)? })
        })?)
    }

    /// Puts an older state in the database's place, as restoring a backup does: another file
    /// under the same name, the same identity inside, and row ids that start lower again.
    pub fn replace_with_backup(&mut self) -> Result<Replaced, Error> {
        let backup = beside(&self.path, ".restore");
        remove_if_there(&backup)?;
        let target = backup.to_string_lossy();
        self.connection.execute("VACUUM INTO ?1", [target.as_ref()])?;
        let replaced = forget_newer_half(&backup)?;
        self.close()?;
        for sidecar in ["-wal", "-shm"] {
            remove_if_there(&beside(&self.path, sidecar))?;
        }
        fs::rename(&backup, &self.path)
            .map_err(|source| Error::Replace { path: backup.clone(), source })?;
        self.reopen()?;
        Ok(replaced)
    }

    /// Skips so many row ids, as a row that was written and withdrawn does.
    pub fn leave_gap(&self, rowids: u32) -> Result<(), Error> {
        let skipped = self.connection.execute(
            "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'message'",
            [rowids],
        )?;
        if skipped == 0 {
            let query = "INSERT INTO sqlite_sequence (name, seq) VALUES ('message', ?1)";
            self.connection.execute(query, [rowids])?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let placeholder = Connection::open_in_memory()?;
        let open = std::mem::replace(&mut self.connection, placeholder);
        open.close().map_err(|(_, reason)| Error::Sql(reason))
    }

    fn reopen(&mut self) -> Result<(), Error> {
        let opened = Self::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.connection = opened.connection;
        // The log and its index come into being with the first access.
        self.newest_rowid().map(drop)
    }
}

/// Cuts a copy back to its older half.
fn forget_newer_half(path: &Path) -> Result<Replaced, Error> {
    let copy = MessagesDb::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let kept = copy.newest_rowid()? / 2;
    let lost_guids = copy
        .connection
        .prepare("SELECT guid FROM message WHERE ROWID > ?1 ORDER BY ROWID")?
        .query_map([kept], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let transaction = copy.begin()?;
    for query in [
        "DELETE FROM chat_message_join WHERE message_id > ?1",
        "DELETE FROM message_attachment_join WHERE message_id > ?1",
        "DELETE FROM message WHERE ROWID > ?1",
        "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'message'",
    ] {
        transaction.execute(query, [kept])?;
    }
    // The backup is older than those messages: it never saw them go.
    transaction
        .execute_batch("DELETE FROM deleted_messages; DELETE FROM sync_deleted_messages;")?;
    transaction.commit()?;
    copy.checkpoint(CheckpointMode::Truncate)?;
    let newest_rowid = copy.newest_rowid()?;
    copy.connection.close().map_err(|(_, reason)| Error::Sql(reason))?;
    Ok(Replaced { newest_rowid, lost_guids })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Replace { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
