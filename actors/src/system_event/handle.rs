//! Reporting events, from anywhere, and reading them, by their session.
//!
//! Whoever reports waits for the commit and for whoever reports at the same time; a session reads
//! and takes without waiting for either. Nothing is kept in memory but for whom something may wait,
//! so that a session without events asks no store.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;

use super::once::{Used, event_key, message_key, noted};
use super::queue::{Admit, admit};
use super::record::{
    EventRecord, Heard, RetryRecord, all_retries, all_waiting, retry_key, session_of_key,
    waiting_key, waiting_prefix,
};
use super::render::rendered;
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::inbox::DedupeRecord;
use crate::message::SessionKey;
use crate::store::{Batch, Expect, Store, StoreError};

/// What became of a reported event. All of it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It waits for the session's next turn, under this number.
    Waits(u64),
    /// The newest waiting event says the same, under this number.
    Repeats(u64),
    /// The same id was reported before, or told as a message of its own: nothing has changed.
    Known,
    /// It says nothing.
    Empty,
}

/// The events of an engine. Cheap to clone.
#[derive(Clone)]
pub struct SystemEvents(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    zone: TimeZone,
    /// Sessions for which something may wait. One is added behind the commit of its event, and
    /// removed only under this lock by who finds nothing: so none is missing for longer than that.
    sessions: Mutex<HashSet<SessionKey>>,
    /// One report at a time: each looks at what waits, and adds to it.
    reporting: tokio::sync::Mutex<()>,
}

impl SystemEvents {
    /// The events of this store, shown in this time zone.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn new(store: Store, clock: Clock, zone: TimeZone) -> Result<Self, StoreError> {
        let all = all_waiting();
        let found = store.scan_raw(&all)?;
        let sessions = found.iter().filter_map(|(key, _)| session_of_key(&all, key)).collect();
        let (sessions, reporting) = (Mutex::new(sessions), tokio::sync::Mutex::new(()));
        Ok(Self(Arc::new(Inner { store, clock, zone, sessions, reporting })))
    }

    /// Reports an event. It is durable when this returns. With an `id` it is reported once,
    /// however often it is called within the window of platform ids.
    ///
    /// # Errors
    /// Nothing was reported; do it again.
    pub async fn report(
        &self,
        session: &SessionKey,
        text: &str,
        wakes: bool,
        id: Option<&str>,
    ) -> Result<Added, StoreError> {
        let _turn = self.0.reporting.lock().await;
        loop {
            let (added, batch) = match self.prepared(session, text, wakes, id)? {
                (added, Some(batch)) => (added, batch),
                (added, None) => return Ok(added),
            };
            crash_point("event.before_commit");
            match self.0.store.commit(batch).await {
                Ok(()) => {
                    crash_point("event.after_commit");
                    self.sessions().insert(session.clone());
                    return Ok(added);
                }
                // A turn has taken what this repeats: it is news again. Or a message of this id has
                // become durable meanwhile: it is known.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What a report changes, if anything.
    fn prepared(
        &self,
        session: &SessionKey,
        text: &str,
        wakes: bool,
        id: Option<&str>,
    ) -> Result<(Added, Option<Batch>), StoreError> {
        let (store, now) = (&self.0.store, self.0.clock.now());
        let mut batch = Batch::new();
        if let Some(id) = id {
            let (event, message) = (event_key(id), message_key(id));
            if store.contains(&event)? || store.contains(&message)? {
                // Whoever reported it first may have left before it was noted.
                self.sessions().insert(session.clone());
                return Ok((Added::Known, None));
            }
            // A message of this id may be on its way to the disk.
            batch.expect(Expect::Absent(event)).expect(Expect::Absent(message));
        }
        let waiting = self.waiting(session)?;
        let said = text;
        let (added, number) = match admit(&waiting, text) {
            Admit::Empty => return Ok((Added::Empty, None)),
            Admit::Repeats(number) => {
                // A repeat may be in more of a hurry than what it repeats.
                let newest = waiting.last().filter(|(_, record)| wakes && !record.wakes);
                if let Some((number, record)) = newest {
                    let key = waiting_key(session, *number);
                    batch.expect(Expect::Present(key.clone()));
                    batch.put(key, &EventRecord { wakes: true, ..record.clone() });
                }
                (Added::Repeats(number), number)
            }
            Admit::Waits { text, dropped } => {
                if !dropped.is_empty() {
                    tracing::warn!(%session, dropped = dropped.len(),
                        "too many system events wait for a turn; the oldest are dropped");
                }
                for number in dropped {
                    batch.delete(waiting_key(session, number));
                }
                let number = store.next_id()?;
                batch.put(waiting_key(session, number), &EventRecord { at: now, text, wakes });
                (Added::Waits(number), number)
            }
        };
        if let Some(id) = id {
            batch.put(event_key(id), &noted(now, session, number, said));
        }
        Ok((added, (!batch.is_empty()).then_some(batch)))
    }

    /// Whether anything may wait for a session.
    pub fn has(&self, session: &SessionKey) -> bool {
        self.sessions().contains(session)
    }

    /// What waits for a session, oldest first.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn waiting(&self, session: &SessionKey) -> Result<Vec<(u64, EventRecord)>, StoreError> {
        let found = self.0.store.scan(&waiting_prefix(session))?;
        Ok(found.into_iter().map(|(key, record)| (key.last_number(), record)).collect())
    }

    /// The sessions for which an event waits that wakes its agent, with the newest such number.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn waking(&self) -> Result<Vec<(SessionKey, u64)>, StoreError> {
        let sessions = self.sessions().clone();
        let mut found = Vec::new();
        for session in sessions {
            let waiting = self.waiting(&session)?;
            let newest = waiting.iter().rev().find(|(_, event)| event.wakes);
            found.extend(newest.map(|(number, _)| (session, *number)));
        }
        Ok(found)
    }

    /// Whether an event of this id was reported, within the window of platform ids.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn knows(&self, id: &str) -> Result<bool, StoreError> {
        self.0.store.contains(&event_key(id))
    }

    /// What an id was used for, if an event of it was reported within the window of platform ids.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn used(&self, id: &str) -> Result<Option<Used>, StoreError> {
        let record: Option<DedupeRecord> = self.0.store.get(&event_key(id))?;
        Ok(record.map(Used::from))
    }

    /// When a session is woken again for what a failed heartbeat was told, if it is.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn retry(&self, session: &SessionKey) -> Result<Option<RetryRecord>, StoreError> {
        self.0.store.get(&retry_key(session))
    }

    /// The sessions that are woken again for what a failed heartbeat was told.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn retries(&self) -> Result<Vec<(SessionKey, RetryRecord)>, StoreError> {
        let all = all_retries();
        let found: Vec<(_, RetryRecord)> = self.0.store.scan(&all)?;
        let found = found.into_iter();
        Ok(found.filter_map(|(key, record)| Some((session_of_key(&all, &key)?, record))).collect())
    }

    /// What the next turn of a session is told.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn heard(&self, session: &SessionKey) -> Result<Heard, StoreError> {
        let mut sessions = self.sessions();
        let waiting = self.waiting(session)?;
        if waiting.is_empty() {
            sessions.remove(session);
        }
        Ok(Heard {
            numbers: waiting.iter().map(|(number, _)| *number).collect(),
            text: rendered(waiting.iter().map(|(_, event)| event), &self.0.zone),
        })
    }

    /// Takes events out of the queue in the commit that begins their turn.
    pub fn take(&self, batch: &mut Batch, session: &SessionKey, numbers: &[u64]) {
        for number in numbers {
            batch.delete(waiting_key(session, *number));
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashSet<SessionKey>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
