//! How far an account has read its chat.db, in a form that survives a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chatdb::Identity;
use crate::clock::Timestamp;

/// How far back a lost cursor reads: older rows are not answered any more anyway.
const CATCH_UP: Duration = Duration::from_hours(2);

/// The position in one database file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The file's device.
    pub dev: u64,
    /// The file on the device.
    pub ino: u64,
    /// The id Messages gave the database.
    pub unique_id: Option<String>,
    /// Every row up to here is decided.
    pub rowid: i64,
    /// When the database was last read.
    pub read_at: Timestamp,
    /// When this account was first watched: what was there before is history.
    pub baseline_at: Timestamp,
}

impl Cursor {
    /// Stands for a cursor that was damaged: of no known database, last read when catching up
    /// begins. So rows since then are looked at, and their guids decide what is new.
    pub(super) fn lost(now: Timestamp) -> Self {
        let since = now.minus(CATCH_UP);
        Self { dev: 0, ino: 0, unique_id: None, rowid: 0, read_at: since, baseline_at: since }
    }

    /// A position in the database with `identity`.
    pub(super) fn at(
        identity: &Identity,
        rowid: i64,
        read_at: Timestamp,
        baseline_at: Timestamp,
    ) -> Self {
        let Identity { file, unique_id } = identity;
        Self {
            dev: file.dev,
            ino: file.ino,
            unique_id: unique_id.clone(),
            rowid,
            read_at,
            baseline_at,
        }
    }

    /// Whether reading goes on behind this cursor's row in the database with `identity`, whose highest
    /// row is `max_rowid`. Otherwise row ids start anew, and only dates tell what is new.
    pub(super) fn continues_in(&self, identity: &Identity, max_rowid: i64) -> bool {
        self.is_of(identity) && max_rowid >= self.rowid
    }

    /// Rows written before this are history, as the wall clock says `now`: what was there before the
    /// account was first watched, and in another database what came before the last look.
    pub(super) fn floor(&self, now: Timestamp, continues: bool) -> Timestamp {
        // A beginning in the future was told by a wrong clock and says nothing.
        let began = if self.baseline_at <= now { self.baseline_at } else { Timestamp::default() };
        if continues { began } else { began.max(self.read_at.min(now)) }
    }

    /// Whether row ids of this cursor mean something in the database with `identity`.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        identity.is(self.dev, self.ino, self.unique_id.as_deref())
    }

    /// The bytes for the store.
    pub(super) fn encode(&self) -> Vec<u8> {
        // A struct of plain fields always encodes.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The cursor in these bytes; nothing if they are of another layout.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::chatdb::FileId;
    use super::*;

    fn identity(ino: u64) -> Identity {
        Identity { file: FileId { dev: 1, ino }, unique_id: Some("a".into()) }
    }

    fn cursor() -> Cursor {
        Cursor::at(&identity(7), 50, Timestamp(2_000), Timestamp(1_000))
    }

    #[test]
    fn it_goes_on_only_in_its_own_database_that_is_as_long_as_before() {
        assert!(cursor().continues_in(&identity(7), 50));
        assert!(!cursor().continues_in(&identity(7), 49), "rows were taken away");
        assert!(!cursor().continues_in(&identity(8), 500), "another file");
        assert!(!Cursor::lost(Timestamp(9_000_000)).continues_in(&identity(7), 500));
    }

    #[test]
    fn what_was_there_before_it_was_watched_is_history() {
        let now = Timestamp(5_000);
        assert_eq!(cursor().floor(now, true), Timestamp(1_000));
        assert_eq!(cursor().floor(now, false), Timestamp(2_000), "the last look is newer");
        assert_eq!(cursor().floor(Timestamp(1_500), false), Timestamp(1_500), "the clock was set");
        assert_eq!(cursor().floor(Timestamp(500), true), Timestamp(0), "it began in the future");
    }

    #[test]
    fn it_survives_a_restart_and_nothing_else_is_one() {
        assert_eq!(Cursor::decode(&cursor().encode()), Some(cursor()));
        assert_eq!(Cursor::decode(b"{}"), None);
    }
}
