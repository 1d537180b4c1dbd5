//! How much of its time the turn of a run has had, over all lives of its actor and of the process.
//!
//! A turn that is cut off goes on in the next life with what is left of its time, not with all of it.
//! What counts is the time in which somebody waited for it: while the machine sleeps, or the gateway
//! is down, no turn comes any further.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::job::{JobId, Run};
use super::record::{run_key, spent_key};
use crate::store::{Batch, Expect, Record, Store, StoreError};

/// How often it is written down: what a crash takes is given to the turn besides.
const NOTE_EVERY: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SpentRecord {
    ms: u64,
}

impl Record for SpentRecord {
    const VERSION: u8 = 1;
}

/// The time of one turn.
pub(super) struct Spent<'a> {
    store: &'a Store,
    job: &'a JobId,
    run: &'a Run,
    /// The run as it is stored while it is under way.
    stored: Vec<u8>,
    /// In lives before this one.
    before: Duration,
    since: Instant,
    noted: Instant,
}

impl<'a> Spent<'a> {
    /// What the lives before have noted; the time goes on from now.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn read(
        store: &'a Store,
        job: &'a JobId,
        run: &'a Run,
        stored: Vec<u8>,
    ) -> Result<Self, StoreError> {
        let found: Option<SpentRecord> = store.get(&spent_key(job, run.run))?;
        let before = Duration::from_millis(found.map_or(0, |found| found.ms));
        let now = Instant::now();
        Ok(Self { store, job, run, stored, before, since: now, noted: now })
    }

    /// When a turn that may take so long is over its time.
    pub(super) fn deadline(&self, limit: Duration) -> Instant {
        self.since + limit.saturating_sub(self.before)
    }

    /// Writes it down now and then, as long as the run is under way.
    pub(super) fn note(&mut self) {
        if self.noted.elapsed() < NOTE_EVERY {
            return;
        }
        self.noted = Instant::now();
        let spent = self.before.saturating_add(self.since.elapsed());
        let ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        let mut batch = Batch::new();
        batch
            .expect(Expect::Holds(run_key(self.job, self.run.run), self.stored.clone()))
            .put(spent_key(self.job, self.run.run), &SpentRecord { ms });
        // A run that is over, or removed, has no use for it; a busy store takes the next one.
        if let Err(error) = self.store.submit_unsynced(batch, |_| ()) {
            tracing::debug!(job = %self.job, %error, "the time of a turn was not noted");
        }
    }
}
