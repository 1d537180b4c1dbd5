//! One look at chat.db: which rows are new, and what becomes of them.
//!
//! Blocking; the watcher runs it on a thread that may block. The cursor only says where to start:
//! the last rows below it are looked at again each time, because rows appear below the highest row
//! id, join their chat late, or come back under a new row id. The guid is what is admitted once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::chatdb::{ChatDb, ChatDbError, FileId, path_identity};
use super::cursor::Cursor;
use super::echoes::Echoes;
use super::inbound::inbound;
use super::previews::Previews;
use super::row::Row;
use super::text_hash::TextHash;
use super::verdict::{Facts, IgnoreReason, Verdict, WatchLimits, judge};
use crate::clock::Timestamp;
use crate::dead_letter::Reason;
use crate::message::{AccountKey, Inbound};
use crate::router::{Admission, DeclinedRow};

/// Rows below the cursor that are looked at again.
const WINDOW_ROWS: i64 = 500;
/// Rows listed per look; the rest follows at once.
const ROWS_PER_PASS_MAX: usize = 2000;
/// Messages offered per look; the rest follows at once.
const OFFERS_PER_PASS_MAX: usize = 200;
/// How far back the sweep by date reaches, for rows far below the window.
const SWEEP_BACK: Duration = Duration::from_mins(10);
/// How often the sweep by date runs.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// A full look happens at least this often, whatever the data version says.
const FULL_EVERY: Duration = Duration::from_secs(5);
/// Nothing read for this long means that we were away: what came meanwhile is late by our fault.
const AWAY_AFTER: Duration = Duration::from_secs(5);
/// How long SQLite waits for a lock by itself.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long a row with the words of a send in flight waits for that send.
const ECHO_HOLD: Duration = Duration::from_secs(30);
/// Own addresses are read again this often: people add addresses.
const OWN_EVERY: Duration = Duration::from_mins(5);
/// A cursor moved only by rows that leave no trace is saved when it is this far ahead: the window
/// below it is looked at again anyway.
const SAVE_EVERY_ROWS: u64 = 100;
/// Decided guids beyond which those outside the window are forgotten.
const DECIDED_MAX: usize = 8192;

/// What a scanner needs to know.
#[derive(Debug, Clone)]
pub(super) struct ScannerConfig {
    /// The account.
    pub account: AccountKey,
    /// The database.
    pub path: PathBuf,
    /// Replaces `~` in attachment paths.
    pub home: Option<String>,
    /// Waits and ages.
    pub limits: WatchLimits,
}

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What is to be made durable; `None` if nothing changed.
    pub admission: Option<Admission>,
    /// Guids that are decided once it is durable.
    decided: Vec<String>,
    /// When the next held row has to be looked at again.
    pub look_at: Option<Timestamp>,
    /// Whether there is more to read at once.
    pub more: bool,
}

/// The state of looking at one database.
pub(super) struct Scanner {
    config: ScannerConfig,
    echoes: Echoes,
    open: Option<Open>,
    cursor: Option<Cursor>,
    decided: HashSet<String>,
    first_seen: HashMap<String, Timestamp>,
    held: BTreeMap<i64, Timestamp>,
    previews: Previews,
    last_read: Timestamp,
    last_full: Timestamp,
    last_sweep: Timestamp,
    saved: Option<i64>,
    /// How far the wall clock is behind the steady time of the waits here: subtracted where dates
    /// of rows are compared, so that no message is old because somebody set the clock.
    behind: Duration,
}

struct Open {
    db: ChatDb,
    file: FileId,
    data_version: i64,
    own: BTreeSet<String>,
    own_read: Timestamp,
    boundary_rowid: i64,
    watching_since: Timestamp,
    /// Rows present at the boundary and written before this are history.
    floor: Timestamp,
    /// The highest row id listed so far.
    listed_to: i64,
}

impl Scanner {
    /// Continues at `cursor`.
    pub(super) fn new(config: ScannerConfig, echoes: Echoes, cursor: Option<Cursor>) -> Self {
        let saved = cursor.as_ref().map(|cursor| cursor.rowid);
        Self {
            config,
            echoes,
            open: None,
            cursor,
            decided: HashSet::new(),
            first_seen: HashMap::new(),
            held: BTreeMap::new(),
            previews: Previews::default(),
            last_read: Timestamp::default(),
            last_full: Timestamp::default(),
            last_sweep: Timestamp::default(),
            saved,
            behind: Duration::ZERO,
        }
    }

    /// Looks once at `now`, a steady time; the wall clock is `behind` it. `is_admitted` tells whether
    /// a guid has a durable fate already.
    ///
    /// # Errors
    /// What SQLite says; the next look opens the database again if that may help.
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        behind: Duration,
        is_admitted: &dyn Fn(&str) -> bool,
    ) -> Result<Findings, ChatDbError> {
        self.behind = behind;
        let result = self.look_inner(now, is_admitted);
        if result.is_err() {
            self.open = None;
        } else {
            self.last_read = now;
        }
        result
    }

    fn look_inner(
        &mut self,
        now: Timestamp,
        is_admitted: &dyn Fn(&str) -> bool,
    ) -> Result<Findings, ChatDbError> {
        if let Some(findings) = self.open_if_needed(now)? {
            return Ok(findings);
        }
        let full = now.since(self.last_full) >= FULL_EVERY;
        let Some(open) = &mut self.open else { return Ok(Findings::default()) };
        let data_version = open.db.data_version()?;
        let due = self.held.values().any(|until| *until <= now);
        if data_version == open.data_version && !due && !full {
            return Ok(Findings { look_at: self.next_look(), ..Findings::default() });
        }
        if now.since(open.own_read) >= OWN_EVERY {
            open.own = open.db.own_addresses()?;
            open.own_read = now;
        }
        let findings = self.read(now, is_admitted)?;
        if let Some(open) = &mut self.open
            && !findings.more
        {
            // Taken before reading: what was committed meanwhile is seen next time.
            open.data_version = data_version;
        }
        self.last_full = now;
        Ok(findings)
    }

    /// The offers of the last look are durable.
    pub(super) fn settled(&mut self, findings: Findings) {
        for guid in findings.decided {
            self.first_seen.remove(&guid);
            self.decided.insert(guid);
        }
        if let Some(cursor) = findings.admission.and_then(|admission| admission.cursor) {
            self.cursor = Cursor::decode(&cursor);
            self.saved = self.cursor.as_ref().map(|cursor| cursor.rowid);
        }
    }

    /// The offers of the last look could not be made durable: look again.
    pub(super) fn unsettled(&mut self) {
        if let Some(open) = &mut self.open {
            open.data_version = -1;
        }
    }

    /// Opens the database if it is not open, or if the path names another file by now.
    fn open_if_needed(&mut self, now: Timestamp) -> Result<Option<Findings>, ChatDbError> {
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
        let (known, dated) = (self.cursor.clone(), now.minus(self.behind));
        let findings = match known {
            None => Some(self.baseline(&open, &identity, now)?),
            Some(cursor) => {
                // A beginning in the future was told by a wrong clock and says nothing.
                let began = (cursor.baseline_at <= dated).then_some(cursor.baseline_at);
                open.floor = began.unwrap_or_default().minus(SWEEP_BACK);
                if cursor.is_of(&identity) && max_rowid >= cursor.rowid {
                    open.listed_to = cursor.rowid;
                } else {
                    // Row ids start anew: everything since the last look, by date, by guid.
                    open.floor = open.floor.max(cursor.read_at.min(dated).minus(SWEEP_BACK));
                    let recent = open.db.guids_since(open.floor, ROWS_PER_PASS_MAX)?;
                    let first = recent.iter().map(|(rowid, _)| *rowid).min();
                    open.listed_to = first.map_or(max_rowid, |first| first - 1);
                    self.decided.clear();
                    self.held.clear();
                    self.first_seen.clear();
                }
                None
            }
        };
        self.last_full = Timestamp::default();
        self.last_sweep = Timestamp::default();
        self.open = Some(open);
        Ok(findings)
    }

    /// The first look ever: everything there is history, and stays so across restarts.
    fn baseline(
        &mut self,
        open: &Open,
        identity: &super::chatdb::Identity,
        now: Timestamp,
    ) -> Result<Findings, ChatDbError> {
        let newest = open.listed_to.saturating_sub(WINDOW_ROWS);
        let mut rows = open.db.guids_above(newest, ROWS_PER_PASS_MAX)?;
        let dated = now.minus(self.behind);
        rows.extend(open.db.guids_since(dated.minus(SWEEP_BACK), ROWS_PER_PASS_MAX)?);
        let history: BTreeSet<String> = rows.into_iter().map(|(_, guid)| guid).collect();
        let cursor = Cursor {
            dev: identity.file.dev,
            ino: identity.file.ino,
            unique_id: identity.unique_id.clone(),
            rowid: open.listed_to,
            read_at: dated,
            baseline_at: dated,
        };
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

    /// Lists the rows above the cursor and in the window below it, and judges those undecided.
    fn read(
        &mut self,
        now: Timestamp,
        is_admitted: &dyn Fn(&str) -> bool,
    ) -> Result<Findings, ChatDbError> {
        let Some(open) = &self.open else { return Ok(Findings::default()) };
        let from = self.resolved_to(open.listed_to).min(open.listed_to.saturating_sub(WINDOW_ROWS));
        let mut rows = open.db.guids_above(from.max(0), ROWS_PER_PASS_MAX)?;
        let mut more = rows.len() == ROWS_PER_PASS_MAX;
        let listed_to = rows.last().map_or(open.listed_to, |(rowid, _)| *rowid);
        if now.since(self.last_sweep) >= SWEEP_EVERY {
            let dated = now.minus(self.behind);
            rows.extend(open.db.guids_since(dated.minus(SWEEP_BACK), ROWS_PER_PASS_MAX)?);
            rows.sort_unstable();
            rows.dedup();
            self.last_sweep = now;
        }
        let window: HashSet<String> = rows.iter().map(|(_, guid)| guid.clone()).collect();
        let mut found = Found::new(&self.config.account);
        self.held.clear();
        for (rowid, guid) in rows {
            if found.inbound.len() >= OFFERS_PER_PASS_MAX {
                more = true;
                break;
            }
            if self.decided.contains(&guid) {
                continue;
            }
            self.consider(rowid, &guid, now, is_admitted, &mut found)?;
        }
        if self.decided.len() > DECIDED_MAX {
            self.decided.retain(|guid| window.contains(guid));
        }
        if let Some(open) = &mut self.open {
            open.listed_to = open.listed_to.max(listed_to);
        }
        self.conclude(found, now, more)
    }

    fn consider(
        &mut self,
        rowid: i64,
        guid: &str,
        now: Timestamp,
        is_admitted: &dyn Fn(&str) -> bool,
        found: &mut Found,
    ) -> Result<(), ChatDbError> {
        let Some(open) = &self.open else { return Ok(()) };
        let Some(row) = open.db.row(rowid)? else { return Ok(()) };
        self.previews.remember(&row);
        let first_seen = *self.first_seen.entry(guid.to_owned()).or_insert(now);
        let is_history = rowid <= open.boundary_rowid
            && row.written_at().is_some_and(|written| written < open.floor);
        let facts = Facts {
            own: &open.own,
            previews: &self.previews,
            first_seen,
            admitted: is_history || self.echoes.is_ours(guid) || is_admitted(guid),
            boundary_rowid: open.boundary_rowid,
            watching_since: open.watching_since,
            behind: self.behind,
            limits: &self.config.limits,
        };
        match judge(&row, &facts, now) {
            Verdict::Hold { until, .. } => {
                self.held.insert(rowid, until);
            }
            Verdict::Ignore(reason) => self.ignore(&row, reason, found),
            Verdict::Deliver(content) => {
                let text = TextHash::of(&content.text);
                if now.since(first_seen) < ECHO_HOLD
                    && self.echoes.is_in_flight(&content.chat.guid, text)
                {
                    self.held.insert(rowid, now.plus(self.config.limits.settle));
                    return Ok(());
                }
                let home = self.config.home.as_deref();
                let seen_at = first_seen.minus(self.behind);
                found.deliver(inbound(&self.config.account, &row, *content, home, seen_at));
            }
        }
        Ok(())
    }

    fn ignore(&mut self, row: &Row, reason: IgnoreReason, found: &mut Found) {
        if let IgnoreReason::PreviewFolded { parent, lost_link } = &reason {
            self.previews.folded(parent, &row.guid);
            if let Some(link) = lost_link {
                tracing::info!(guid = row.guid, %link, "link preview folded into its text");
            }
        }
        found.ignore(row, &reason);
    }

    /// Every row up to here is decided or gone.
    fn resolved_to(&self, listed_to: i64) -> i64 {
        self.held.keys().next().map_or(listed_to, |rowid| (rowid - 1).min(listed_to))
    }

    fn next_look(&self) -> Option<Timestamp> {
        self.held.values().min().copied()
    }

    fn conclude(
        &mut self,
        found: Found,
        now: Timestamp,
        more: bool,
    ) -> Result<Findings, ChatDbError> {
        let mut findings = Findings { look_at: self.next_look(), more, ..Findings::default() };
        let Some(open) = &self.open else { return Ok(findings) };
        let mut admission = Admission::new(self.config.account.clone());
        admission.inbound = found.inbound;
        admission.declined = found.declined;
        findings.decided = found.decided;
        // A cursor in the middle of a backlog would skip what was not offered yet.
        let rowid = self.resolved_to(open.listed_to);
        let moved = self.saved.is_none_or(|saved| rowid.abs_diff(saved) >= SAVE_EVERY_ROWS);
        let worth_saving = moved || (!admission.is_empty() && self.saved != Some(rowid));
        if !more && worth_saving {
            let identity = open.db.identity()?;
            let dated = now.minus(self.behind);
            let baseline_at = self.cursor.as_ref().map_or(dated, |cursor| cursor.baseline_at);
            let cursor = Cursor {
                dev: identity.file.dev,
                ino: identity.file.ino,
                unique_id: identity.unique_id,
                rowid,
                read_at: dated,
                baseline_at,
            };
            admission.cursor = Some(cursor.encode());
        }
        if admission.is_empty() {
            // Rows that leave no trace are decided at once.
            self.settled(Findings { decided: findings.decided, ..Findings::default() });
            findings.decided = Vec::new();
        } else {
            findings.admission = Some(admission);
        }
        Ok(findings)
    }
}

/// What one look has collected.
struct Found {
    inbound: Vec<Inbound>,
    declined: Vec<DeclinedRow>,
    decided: Vec<String>,
    account: AccountKey,
}

impl Found {
    fn new(account: &AccountKey) -> Self {
        Self {
            inbound: Vec::new(),
            declined: Vec::new(),
            decided: Vec::new(),
            account: account.clone(),
        }
    }

    fn deliver(&mut self, inbound: Inbound) {
        self.decided.push(inbound.dedupe_key.clone());
        self.inbound.push(inbound);
    }

    fn ignore(&mut self, row: &Row, reason: &IgnoreReason) {
        self.decided.push(row.guid.clone());
        let (text, dead_letter) = match reason {
            IgnoreReason::Stale { age } => (
                format!("too old: it was {} minutes old when it appeared", age.as_secs() / 60),
                None,
            ),
            IgnoreReason::PreviewFolded { parent, .. } => {
                (format!("link preview of {parent}"), None)
            }
            IgnoreReason::Unresolved(hold) => {
                let message = format!("row {} never became whole: {}", row.rowid, hold.name());
                (message.clone(), Some(Reason::Unreadable { message }))
            }
            // The verdict on these is the same after every restart; they need no record.
            IgnoreReason::Own
            | IgnoreReason::Ghost
            | IgnoreReason::Duplicate
            | IgnoreReason::Event
            | IgnoreReason::Reaction
            | IgnoreReason::Spam
            | IgnoreReason::SelfChat
            | IgnoreReason::Unsent
            | IgnoreReason::Deleted
            | IgnoreReason::App => {
                tracing::debug!(account = %self.account, guid = row.guid, reason = reason.name(),
                    "row is no prompt");
                return;
            }
        };
        tracing::info!(account = %self.account, guid = row.guid, reason = %text, "row declined");
        self.declined.push(DeclinedRow {
            dedupe_key: row.guid.clone(),
            sender: row.sender.clone().unwrap_or_default(),
            text: row.prompt(),
            reason: text,
            dead_letter,
        });
    }
}
