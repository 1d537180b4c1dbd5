//! The one writer: gathers what waits, applies it as one atomic group, syncs once, then answers all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backend::Backend;
use super::batch::{Batch, Epoch, Expect, Write};
use super::error::StoreError;
use super::generation::GROUP_BYTES_MAX;
use super::key::{Key, Space};
use super::lock::StateLock;
use super::receive::{Received, receive};
use super::tally::Tallies;

/// Most batches in one group: beyond this the answer to the first would wait too long.
const GROUP_BATCHES_MAX: usize = 1024;

/// Writes that need no sync of their own get one after this time at the latest.
const UNSYNCED_MAX: Duration = Duration::from_secs(2);

/// Called on the committer's thread when the batch is durable, or refused. Must not block.
pub(super) type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// When a batch counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// It is durable.
    Synced,
    /// It can be read. It becomes durable with the next batch that is synced, or soon.
    Applied,
}

/// Batches of one group that will be written.
#[derive(Default)]
struct Accepted {
    /// Whom to tell, and what each changes in the counts.
    done: Vec<(Done, Vec<(Space, i64)>)>,
    writes: Vec<Write>,
    needs_sync: bool,
}

/// A batch on its way.
pub(super) struct Commit {
    pub(super) epoch: Epoch,
    pub(super) batch: Batch,
    pub(super) when: When,
    pub(super) done: Done,
}

/// Applies groups to a backend. After a failed write it is fenced: it can't know what is on disk,
/// so it acknowledges nothing more.
pub(super) struct Committer {
    backend: Arc<dyn Backend>,
    epoch: Epoch,
    tallies: Arc<Tallies>,
    fenced: watch::Sender<Option<StoreError>>,
    /// Since when something is written that is not synced.
    unsynced_since: Option<Instant>,
    /// How much of it there is: what stands between two syncs is bounded.
    unsynced_bytes: usize,
    // Dropped behind the database, so that whoever gets the lock finds it closed.
    _lock: Option<Arc<StateLock>>,
}

impl Committer {
    /// A committer, and the place where its failure will be told.
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        epoch: Epoch,
        tallies: Arc<Tallies>,
        lock: Option<Arc<StateLock>>,
    ) -> (Self, watch::Receiver<Option<StoreError>>) {
        let (fenced, failure) = watch::channel(None);
        let unsynced_since = None;
        let unsynced_bytes = 0;
        let committer =
            Self { backend, epoch, tallies, fenced, unsynced_since, unsynced_bytes, _lock: lock };
        (committer, failure)
    }

    /// Runs until the queue is closed. Blocks its thread.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Commit>) {
        let mut upkeep_due = false;
        loop {
            let limit = if upkeep_due { Some(Duration::ZERO) } else { self.sync_due_in() };
            match receive(&mut queue, limit) {
                Received::Message(first) => {
                    let mut bytes = first.batch.bytes();
                    let mut group = vec![first];
                    while group.len() < GROUP_BATCHES_MAX
                        && bytes < GROUP_BYTES_MAX / 2
                        && let Ok(next) = queue.try_recv()
                    {
                        bytes += next.batch.bytes();
                        group.push(next);
                    }
                    self.commit(group);
                }
                Received::Nothing => {}
                Received::Closed => return self.sync(),
            }
            if self.sync_due_in() == Some(Duration::ZERO) {
                self.sync();
            }
            upkeep_due = self.upkeep();
        }
    }

    /// Commits one group and answers its members in order.
    pub(super) fn commit(&mut self, group: Vec<Commit>) {
        if let Some(reason) = self.fenced.borrow().as_ref() {
            for commit in group {
                (commit.done)(Err(StoreError::Fenced(reason.to_string())));
            }
            return;
        }
        let accepted = self.accept(group);
        // What is on disk is counted: whoever sees a record and asks whether anything is under way
        // must not be told that nothing is. So growth counts before the write, and shrinking after.
        self.count(&accepted, |change| change.max(0));
        let result = self.write(&accepted.writes, accepted.needs_sync);
        if result.is_ok() {
            self.count(&accepted, |change| change.min(0));
        } else {
            self.count(&accepted, |change| -change.max(0));
        }
        for (done, _) in accepted.done {
            done(result.clone());
        }
    }

    /// Makes everything written durable.
    pub(super) fn sync(&mut self) {
        if self.unsynced_since.is_some() && self.fenced.borrow().is_none() {
            let result = self.backend.sync();
            (self.unsynced_since, self.unsynced_bytes) = (None, 0);
            self.fence_after(&result);
        }
    }

    /// How long until what is not synced has to be.
    fn sync_due_in(&self) -> Option<Duration> {
        self.unsynced_since.map(|since| UNSYNCED_MAX.saturating_sub(since.elapsed()))
    }

    fn write(&mut self, writes: &[Write], needs_sync: bool) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let bytes = self.unsynced_bytes + writes.iter().map(Write::bytes).sum::<usize>();
        let result = if needs_sync || bytes > GROUP_BYTES_MAX / 2 {
            (self.unsynced_since, self.unsynced_bytes) = (None, 0);
            self.tallies.add_group();
            self.backend.commit(writes)
        } else {
            self.unsynced_since.get_or_insert_with(Instant::now);
            self.unsynced_bytes = bytes;
            self.backend.apply(writes)
        };
        self.fence_after(&result);
        result
    }

    fn fence_after(&self, result: &Result<(), StoreError>) {
        if let Err(error) = result {
            tracing::error!(%error, "commit failed: nothing more is acknowledged");
            self.fenced.send_replace(Some(error.clone()));
        }
    }

    fn count(&self, accepted: &Accepted, part: impl Fn(i64) -> i64) {
        for (space, change) in accepted.done.iter().flat_map(|(_, tallies)| tallies) {
            self.tallies.add(*space, part(*change));
        }
    }

    /// Checks each batch against the state its predecessors in the group leave behind.
    fn accept(&self, group: Vec<Commit>) -> Accepted {
        let mut overlay: HashMap<Key, bool> = HashMap::new();
        let mut accepted = Accepted::default();
        for Commit { epoch, batch, when, done } in group {
            if epoch != self.epoch {
                done(Err(StoreError::LostOwnership));
                continue;
            }
            match self.holds(&batch.expects, &overlay) {
                Ok(true) => {}
                Ok(false) => {
                    done(Err(StoreError::Conflict));
                    continue;
                }
                Err(error) => {
                    done(Err(error));
                    continue;
                }
            }
            for write in &batch.writes {
                overlay.insert(write.key().clone(), matches!(write, Write::Put(..)));
            }
            accepted.needs_sync |= when == When::Synced && !batch.writes.is_empty();
            accepted.writes.extend(batch.writes);
            accepted.done.push((done, batch.tallies));
        }
        accepted
    }

    fn holds(&self, expects: &[Expect], overlay: &HashMap<Key, bool>) -> Result<bool, StoreError> {
        for expect in expects {
            let (key, wanted) = match expect {
                Expect::Holds(key, value) => {
                    if overlay.contains_key(key) || self.backend.get(key)?.as_ref() != Some(value) {
                        return Ok(false);
                    }
                    continue;
                }
                Expect::Absent(key) => (key, false),
                Expect::Present(key) => (key, true),
            };
            let present = match overlay.get(key) {
                Some(present) => *present,
                None => self.backend.contains(key)?,
            };
            if present != wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn upkeep(&mut self) -> bool {
        if self.fenced.borrow().is_some() {
            return false;
        }
        self.backend.upkeep().unwrap_or_else(|error| {
            tracing::error!(%error, "store upkeep failed: nothing more is acknowledged");
            self.fenced.send_replace(Some(error));
            false
        })
    }
}
