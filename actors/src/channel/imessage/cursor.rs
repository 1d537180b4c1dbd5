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

    /// Whether row ids of this cursor mean something in the database with `identity`.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.dev == identity.file.dev
            && self.ino == identity.file.ino
            && self.unique_id == identity.unique_id
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
