//! What the other rooms hold: commit and submit here, get and scan in `reading`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;

use super::backend::Backend;
use super::batch::{Batch, Epoch};
use super::committer::{Commit, When};
use super::compaction::CompactionPolicy;
use super::error::StoreError;
use super::key::Space;
use super::life::{self, Begun, begin};
use super::lock::StateLock;
use super::sequence::Sequence;
use super::sled_backend::SledBackend;
use super::tally::Tallies;
use super::writer::{Failed, Writer};

/// Figures for people.
#[derive(Debug, Clone, Serialize)]
pub struct StoreStats {
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// How often this store has been opened.
    pub epoch: u64,
    /// Records found damaged and set aside.
    pub damaged: u64,
    /// Damaged files kept beside the database, for a person to look after.
    pub kept: Vec<PathBuf>,
    /// Groups of batches written since then, each made durable by one sync.
    pub groups: u64,
    /// Lives before this one that did not end in order.
    pub interrupted: u64,
}

/// The store. Cheap to clone; closed when the last clone is gone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    // Dropped first: its committer ends while everything else is still there.
    writer: Writer,
    backend: Arc<dyn Backend>,
    epoch: Epoch,
    /// Whether the life before did not end in order.
    was_interrupted: bool,
    /// How many did not.
    interrupted: u64,
    sequence: Sequence,
    tallies: Arc<Tallies>,
    failure: Failed,
    // Shared with the committer: the directory is free when both are gone.
    _lock: Option<Arc<StateLock>>,
}

impl Store {
    /// Opens the store in `<state_dir>/store`, taking the directory's lock.
    ///
    /// # Errors
    /// A directory in use, unusable files, a format newer than this program, or
    /// [`StoreError::Damaged`].
    pub fn open(state_dir: &Path, policy: CompactionPolicy) -> Result<Self, StoreError> {
        Self::open_with(state_dir, policy, false)
    }

    /// As [`Store::open`]; with `accept_loss` also a database that has lost something. Its files
    /// are kept beside what goes on.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(
        state_dir: &Path,
        policy: CompactionPolicy,
        accept_loss: bool,
    ) -> Result<Self, StoreError> {
        let lock = StateLock::acquire(state_dir)?;
        let backend = SledBackend::open(&state_dir.join("store"), policy, accept_loss)?;
        Self::threaded(Arc::new(backend), Some(lock))
    }

    /// A store over any backend, with a committer thread.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn threaded(
        backend: Arc<dyn Backend>,
        lock: Option<StateLock>,
    ) -> Result<Self, StoreError> {
        let lock = lock.map(Arc::new);
        let held = lock.clone();
        Self::over(backend, lock, |backend, epoch, tallies| {
            Writer::threaded(backend, epoch, tallies, held)
        })
    }

    /// A store over any backend that commits in the caller's thread.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn inline(backend: Arc<dyn Backend>) -> Result<Self, StoreError> {
        Self::over(backend, None, |backend, epoch, tallies| {
            Ok(Writer::inline(backend, epoch, tallies))
        })
    }

    fn over(
        backend: Arc<dyn Backend>,
        lock: Option<Arc<StateLock>>,
        writer: impl FnOnce(
            Arc<dyn Backend>,
            Epoch,
            Arc<Tallies>,
        ) -> Result<(Writer, Failed), StoreError>,
    ) -> Result<Self, StoreError> {
        let Begun { epoch, sequence, was_interrupted, interrupted } = begin(&*backend)?;
        let tallies = Arc::new(Tallies::of(&*backend)?);
        let (writer, failure) = writer(backend.clone(), epoch, tallies.clone())?;
        Ok(Self(Arc::new(Inner {
            writer,
            backend,
            epoch,
            was_interrupted,
            interrupted,
            sequence,
            tallies,
            failure,
            _lock: lock,
        })))
    }

    /// Makes a batch durable. Returns only then. Behind an empty batch everything submitted before
    /// can be read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a condition did not hold (nothing is written); after any other
    /// error the content on disk is unknown and the store is fenced.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |result| {
            // The caller may have been stopped meanwhile.
            drop(sender.send(result));
        });
        let commit = Commit { epoch: self.0.epoch, batch, when: When::Synced, done };
        self.0.writer.send(commit).await?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Queues a batch and returns at once; `done` is called when it is durable or refused. Batches
    /// become durable in the order in which they are queued.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait; then `done` is not called.
    pub fn submit(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.0.writer.try_send(Commit {
            epoch: self.0.epoch,
            batch,
            when: When::Synced,
            done: Box::new(done),
        })
    }

    /// As [`Store::submit`] for what may be forgotten in a crash: `done` is called when the batch can
    /// be read. It becomes durable with the next batch that is synced, after two seconds, or when
    /// the store is closed.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub fn submit_unsynced(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.0.writer.try_send(Commit {
            epoch: self.0.epoch,
            batch,
            when: When::Applied,
            done: Box::new(done),
        })
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.0.backend
    }

    /// A number larger than every number before, also across restarts.
    pub fn next_id(&self) -> Result<u64, StoreError> {
        self.0.sequence.next(|batch| self.submit(batch, |_| ()))
    }

    /// How many records a counted space holds: the inbox, the outbox, the dead letters.
    pub fn tally(&self, space: Space) -> u64 {
        self.0.tallies.get(space)
    }

    /// Which life of the store this is: grows with every opening.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// Whether the last life over this store did not end in order: what was in flight then may have
    /// been what ended it.
    pub fn was_interrupted(&self) -> bool {
        self.0.was_interrupted
    }

    /// Notes that this life ends in order.
    ///
    /// # Errors
    /// Nothing was noted; the next life takes this one for interrupted.
    pub async fn end(&self) -> Result<(), StoreError> {
        self.commit(life::ending(self.0.epoch)).await
    }

    /// Returns the error when the store has failed; until then it waits. A failed store
    /// acknowledges nothing more. If [the disk is full](StoreError::is_disk_full), close it and open
    /// it again once there is space; after anything else the process has to end first.
    pub async fn failed(&self) -> StoreError {
        let mut failure = self.0.failure.clone();
        let failed = failure.wait_for(Option::is_some).await.ok().and_then(|failed| failed.clone());
        failed.unwrap_or_else(|| StoreError::Database("the committer ended".into()))
    }

    /// The error that ended it, if one has.
    pub fn failure(&self) -> Option<StoreError> {
        self.0.failure.borrow().clone()
    }

    /// Bytes that can still be written beside this store; `None` if nothing limits it. Blocks its
    /// thread for the time of one system call.
    ///
    /// # Errors
    /// The system does not say.
    pub fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.0.backend.free_bytes()
    }

    /// Whether [`Store::keep_reserve`] has something to do.
    pub fn wants_reserve(&self) -> bool {
        self.0.backend.wants_reserve()
    }

    /// Makes sure that some space is set aside for finishing what is under way once the disk is
    /// full. Blocks its thread.
    ///
    /// # Errors
    /// The space is not there: the disk is as good as full.
    pub fn keep_reserve(&self) -> Result<(), StoreError> {
        self.0.backend.keep_reserve()
    }

    /// Figures for people.
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            disk_bytes: self.0.backend.disk_bytes(),
            epoch: self.0.epoch.0,
            damaged: self.tally(Space::Quarantine),
            kept: self.0.backend.kept(),
            groups: self.0.tallies.groups(),
            interrupted: self.0.interrupted,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("epoch", &self.0.epoch).finish_non_exhaustive()
    }
}
