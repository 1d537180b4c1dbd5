//! One look at chat.db: which rows are new, and what becomes of them.
//!
//! Blocking; the watcher runs it on a thread that may block. The cursor only says where to start:
//! the last rows below it are looked at again each time, because rows appear below the highest row
//! id, join their chat late, or come back under a new row id. The guid is what is admitted once.

mod found;
mod opening;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use self::found::Found;
use self::opening::Open;
use super::chatdb::ChatDbError;
use super::cursor::Cursor;
use super::echoes::Echoes;
use super::inbound::inbound;
use super::previews::Previews;
use super::row::Row;
use super::text_hash::TextHash;
use super::verdict::{Facts, IgnoreReason, Verdict, WatchLimits, judge};
use crate::clock::Timestamp;
use crate::message::AccountKey;
use crate::router::Admission;

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
            let dated = now.minus(self.behind);
            let baseline_at = self.cursor.as_ref().map_or(dated, |cursor| cursor.baseline_at);
            let cursor = Cursor::at(&open.db.identity()?, rowid, dated, baseline_at);
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
