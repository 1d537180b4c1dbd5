//! Opening chat.db, and where to go on in it: behind the cursor, by date in another database, or from
//! now on in the first look ever.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::chatdb::{ChatDb, ChatDbError, FileId, Identity, path_identity};
use super::super::cursor::Cursor;
use super::{Findings, ROWS_PER_PASS_MAX, SWEEP_BACK, Scanner, WINDOW_ROWS};
use crate::clock::Timestamp;
use crate::router::Admission;

/// Nothing read for this long means that we were away: what came meanwhile is late by our fault.
const AWAY_AFTER: Duration = Duration::from_secs(5);
/// How long SQLite waits for a lock by itself.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);

/// A database that is open.
pub(super) struct Open {
    pub(super) db: ChatDb,
    pub(super) file: FileId,
    pub(super) data_version: i64,
    pub(super) own: BTreeSet<String>,
    pub(super) own_read: Timestamp,
    pub(super) boundary_rowid: i64,
    pub(super) watching_since: Timestamp,
    /// Rows present at the boundary and written before this are history.
    pub(super) floor: Timestamp,
    /// The highest row id listed so far.
    pub(super) listed_to: i64,
}

impl Scanner {
    /// Opens the database if it is not open, or if the path names another file by now.
    pub(super) fn open_if_needed(
        &mut self,
        now: Timestamp,
    ) -> Result<Option<Findings>, ChatDbError> {
        let file = path_identity(&self.config.path)?;
        if let Some(open) = &mut self.open {
            if open.file == file {
                if now.since(self.last_read) >= AWAY_AFTER {
                    open.boundary_rowid = open.db.max_rowid()?;
                    open.watching_since = now;
                    self.last_full = Timestamp::default();
                }
                return Ok(None);
            }
            tracing::warn!(account = %self.config.account, path = %self.config.path.display(),
                "the Messages database was replaced; continuing by date in the new one");
            self.open = None;
        }
        let db = ChatDb::open(&self.config.path, BUSY_TIMEOUT)?;
        let identity = db.identity()?;
        let max_rowid = db.max_rowid()?;
        let mut open = Open {
            data_version: -1,
            own: db.own_addresses()?,
            own_read: now,
            boundary_rowid: max_rowid,
            watching_since: now,
            floor: now,
            listed_to: max_rowid,
            file: identity.file,
            db,
        };
        let findings = match self.cursor.clone() {
            None => Some(self.baseline(&open, &identity, now)?),
            Some(cursor) => {
                self.go_on(&mut open, &cursor, &identity, now)?;
                None
            }
        };
        self.last_full = Timestamp::default();
        self.last_sweep = Timestamp::default();
        self.open = Some(open);
        Ok(findings)
    }

    fn go_on(
        &mut self,
        open: &mut Open,
        cursor: &Cursor,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<(), ChatDbError> {
        let continues = cursor.continues_in(identity, open.listed_to);
        open.floor = cursor.floor(now.minus(self.behind), continues).minus(SWEEP_BACK);
        if continues {
            open.listed_to = cursor.rowid;
            return Ok(());
        }
        // Row ids start anew: everything since the last look, by date, by guid.
        let recent = open.db.guids_since(open.floor, ROWS_PER_PASS_MAX)?;
        let first = recent.iter().map(|(rowid, _)| *rowid).min();
        open.listed_to = first.map_or(open.listed_to, |first| first - 1);
        self.decided.clear();
        self.held.clear();
        self.first_seen.clear();
        Ok(())
    }

    /// The first look ever: everything there is history, and stays so across restarts.
    fn baseline(
        &mut self,
        open: &Open,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Findings, ChatDbError> {
        let newest = open.listed_to.saturating_sub(WINDOW_ROWS);
        let mut rows = open.db.guids_above(newest, ROWS_PER_PASS_MAX)?;
        let dated = now.minus(self.behind);
        rows.extend(open.db.guids_since(dated.minus(SWEEP_BACK), ROWS_PER_PASS_MAX)?);
        let history: BTreeSet<String> = rows.into_iter().map(|(_, guid)| guid).collect();
        let cursor = Cursor::at(identity, open.listed_to, dated, dated);
        let mut admission = Admission::new(self.config.account.clone());
        admission.history = history.iter().cloned().collect();
        admission.cursor = Some(cursor.encode());
        Ok(Findings {
            admission: Some(admission),
            decided: history.into_iter().collect(),
            look_at: None,
            more: true,
        })
    }
}
