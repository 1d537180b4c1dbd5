//! The one writer: gathers what waits, applies it as one atomic group, syncs once, then answers all.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::backend::Backend;
use super::batch::{Batch, Epoch, Expect, Write};
use super::error::StoreError;
use super::key::{Key, Space};
use super::lock::StateLock;
use super::tally::Tallies;

/// Most batches in one group: beyond this the answer to the first would wait too long.
const GROUP_BATCHES_MAX: usize = 1024;

/// Called on the committer's thread when the batch is durable, or refused. Must not block.
pub(super) type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A batch that will be written: whom to tell, and what it changes in the counts.
type Accepted = (Done, Vec<(Space, i64)>);

/// A batch on its way.
pub(super) struct Commit {
    pub(super) epoch: Epoch,
    pub(super) batch: Batch,
    pub(super) done: Done,
}

/// Applies groups to a backend. After a failed write it is fenced: it can't know what is on disk,
/// so it acknowledges nothing more.
pub(super) struct Committer {
    backend: Arc<dyn Backend>,
    epoch: Epoch,
    tallies: Arc<Tallies>,
    fenced: watch::Sender<Option<String>>,
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
    ) -> (Self, watch::Receiver<Option<String>>) {
        let (fenced, failure) = watch::channel(None);
        (Self { backend, epoch, tallies, fenced, _lock: lock }, failure)
    }

    /// Runs until the queue is closed. Blocks its thread.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Commit>) {
        let mut upkeep_due = false;
        loop {
            let first = if upkeep_due { queue.try_recv().ok() } else { queue.blocking_recv() };
            match first {
                Some(first) => {
                    let mut group = vec![first];
                    while group.len() < GROUP_BATCHES_MAX
                        && let Ok(next) = queue.try_recv()
                    {
                        group.push(next);
                    }
                    self.commit(group);
                }
                None if queue.is_closed() && queue.is_empty() => return,
                None => {}
            }
            upkeep_due = self.upkeep();
        }
    }

    /// Commits one group and answers its members in order.
    pub(super) fn commit(&mut self, group: Vec<Commit>) {
        if let Some(reason) = self.fenced.borrow().as_ref() {
            for commit in group {
                (commit.done)(Err(StoreError::Fenced(reason.clone())));
            }
            return;
        }
        let (accepted, writes) = self.accept(group);
        let result = if writes.is_empty() { Ok(()) } else { self.backend.commit(&writes) };
        if let Err(error) = &result {
            tracing::error!(%error, "commit failed: nothing more is acknowledged");
            self.fenced.send_replace(Some(error.to_string()));
        }
        for (done, tallies) in accepted {
            if result.is_ok() {
                for (space, change) in tallies {
                    self.tallies.add(space, change);
                }
            }
            done(result.clone());
        }
    }

    /// Checks each batch against the state its predecessors in the group leave behind.
    fn accept(&self, group: Vec<Commit>) -> (Vec<Accepted>, Vec<Write>) {
        let mut overlay: HashMap<Key, bool> = HashMap::new();
        let (mut accepted, mut writes) = (Vec::with_capacity(group.len()), Vec::new());
        for Commit { epoch, batch, done } in group {
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
            writes.extend(batch.writes);
            accepted.push((done, batch.tallies));
        }
        (accepted, writes)
    }

    fn holds(&self, expects: &[Expect], overlay: &HashMap<Key, bool>) -> Result<bool, StoreError> {
        for expect in expects {
            let (key, wanted) = match expect {
                Expect::Absent(key) => (key, false),
                Expect::Present(key) => (key, true),
            };
            let present = match overlay.get(key) {
                Some(present) => *present,
                None => self.backend.get(key)?.is_some(),
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
            // The live database is untouched by upkeep; trying again with the next group is safe.
            tracing::warn!(%error, "store upkeep failed");
            false
        })
    }
}
