//! What the other rooms hold: commit, get, scan.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::backend::{Backend, Pair};
use super::batch::{Batch, Epoch};
use super::codec::Record;
use super::committer::{Commit, Committer, When};
use super::compaction::CompactionPolicy;
use super::error::StoreError;
use super::key::{Key, Space};
use super::lock::StateLock;
use super::meta;
use super::sequence::{self, ReservedTo, Sequence};
use super::sled_backend::SledBackend;
use super::tally::Tallies;
use crate::crash_point::crash_point;

/// The stored format this program writes. Grows with every incompatible change.
const FORMAT: u32 = 1;
/// The name of the record of openings.
const OPENED: &str = "opened";
const ENDED: &str = "ended";
/// How many lives did not end in order.
const INTERRUPTED: &str = "interrupted";
/// Batches waiting for the committer before callers must wait or are refused. Every live session can
/// have one here; who only submits (router, delivery) must find room behind all of them.
const QUEUE_BATCHES_MAX: usize = 32_768;
/// Pairs read per step of a full scan.
const SCAN_STEP: usize = 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    format: u32,
    epoch: u64,
}

/// How many lives did not end in order.
#[derive(Debug, Serialize, Deserialize)]
struct Interrupted(u64);

impl Record for Interrupted {
    const VERSION: u8 = 1;
}

/// The last life that ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ended {
    epoch: u64,
}

impl Record for Ended {
    const VERSION: u8 = 1;
}

impl Record for Opened {
    const VERSION: u8 = 1;
}

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
    backend: Arc<dyn Backend>,
    epoch: Epoch,
    /// Whether the life before did not end in order.
    was_interrupted: bool,
    /// How many did not.
    interrupted: u64,
    sequence: Sequence,
    tallies: Arc<Tallies>,
    failure: watch::Receiver<Option<StoreError>>,
    writer: Writer,
    // Shared with the committer: the directory is free when both are gone.
    _lock: Option<Arc<StateLock>>,
}

enum Writer {
    /// A thread of its own: sync calls block.
    Thread { queue: Option<mpsc::Sender<Commit>>, thread: Option<std::thread::JoinHandle<()>> },
    /// At once, in the caller: for backends without a disk, and for exact replays.
    Inline(Mutex<Committer>),
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
        let Begun { epoch, sequence, was_interrupted, interrupted } = begin(&*backend)?;
        let tallies = Arc::new(Tallies::of(&*backend)?);
        let (queue, receiver) = mpsc::channel(QUEUE_BATCHES_MAX);
        let lock = lock.map(Arc::new);
        let (committer, failure) =
            Committer::new(backend.clone(), epoch, tallies.clone(), lock.clone());
        let thread = std::thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || committer.run(receiver))
            .map_err(|error| StoreError::Database(format!("no committer thread: {error}")))?;
        let writer = Writer::Thread { queue: Some(queue), thread: Some(thread) };
        Ok(Self(Arc::new(Inner {
            backend,
            epoch,
            was_interrupted,
            interrupted,
            sequence,
            tallies,
            failure,
            writer,
            _lock: lock,
        })))
    }

    /// A store over any backend that commits in the caller's thread.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn inline(backend: Arc<dyn Backend>) -> Result<Self, StoreError> {
        let Begun { epoch, sequence, was_interrupted, interrupted } = begin(&*backend)?;
        let tallies = Arc::new(Tallies::of(&*backend)?);
        let (committer, failure) = Committer::new(backend.clone(), epoch, tallies.clone(), None);
        let writer = Writer::Inline(Mutex::new(committer));
        Ok(Self(Arc::new(Inner {
            backend,
            epoch,
            was_interrupted,
            interrupted,
            sequence,
            tallies,
            failure,
            writer,
            _lock: None,
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
        match &self.0.writer {
            Writer::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Closed)?;
                queue.send(commit).await.map_err(|_| StoreError::Closed)?;
            }
            Writer::Inline(committer) => {
                committer.lock().unwrap_or_else(PoisonError::into_inner).commit(vec![commit]);
            }
        }
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
        self.queue(Commit { epoch: self.0.epoch, batch, when: When::Synced, done: Box::new(done) })
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
        self.queue(Commit { epoch: self.0.epoch, batch, when: When::Applied, done: Box::new(done) })
    }

    fn queue(&self, commit: Commit) -> Result<(), StoreError> {
        match &self.0.writer {
            Writer::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Closed)?;
                queue.try_send(commit).map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                    mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
                })
            }
            Writer::Inline(committer) => {
                committer.lock().unwrap_or_else(PoisonError::into_inner).commit(vec![commit]);
                Ok(())
            }
        }
    }

    /// The record of a key.
    ///
    /// # Errors
    /// A newer record, named with its key. A damaged one is set aside, and then there is none; ask
    /// [`Store::is_set_aside`] where that makes a difference.
    pub fn get<R: Record>(&self, key: &Key) -> Result<Option<R>, StoreError> {
        self.0.backend.get(key)?.map_or(Ok(None), |bytes| self.checked(key, &bytes))
    }

    /// A value read raw, as the record it should be; nothing for a damaged one, which is set aside.
    ///
    /// # Errors
    /// A newer record, named with its key.
    pub fn decode<R: Record>(&self, key: &Key, bytes: &[u8]) -> Result<Option<R>, StoreError> {
        self.checked(key, bytes)
    }

    /// Whether a key exists, or did until its record was found damaged.
    ///
    /// # Errors
    /// What the database says.
    pub fn contains(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.contains_raw(key)? || self.is_set_aside(key)?)
    }

    pub(super) fn contains_raw(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.0.backend.get(key)?.is_some())
    }

    /// All records under a prefix, in key order: the ordered replay of a room's journal. Damaged
    /// ones are set aside.
    ///
    /// # Errors
    /// The first newer record.
    pub fn scan<R: Record>(&self, prefix: &Key) -> Result<Vec<(Key, R)>, StoreError> {
        self.checked_pairs(self.scan_raw(prefix)?)
    }

    fn checked_pairs<R: Record>(&self, pairs: Vec<Pair>) -> Result<Vec<(Key, R)>, StoreError> {
        let mut records = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if let Some(record) = self.checked(&key, &value)? {
                records.push((key, record));
            }
        }
        Ok(records)
    }

    pub(super) fn scan_step(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.0.backend.scan(prefix, after, limit)
    }

    /// The first `limit` records under a prefix behind `after`, in key order, without the damaged
    /// ones among them.
    ///
    /// # Errors
    /// The first newer record.
    pub fn page<R: Record>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, R)>, StoreError> {
        self.checked_pairs(self.0.backend.scan(prefix, after, limit)?)
    }

    /// The last `limit` records under a prefix, in key order, without the damaged ones among them.
    ///
    /// # Errors
    /// The first newer record.
    pub fn tail<R: Record>(&self, prefix: &Key, limit: usize) -> Result<Vec<(Key, R)>, StoreError> {
        self.checked_pairs(self.0.backend.tail(prefix, limit)?)
    }

    /// All keys and raw values under a prefix.
    pub fn scan_raw(&self, prefix: &Key) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut pairs = Vec::new();
        loop {
            let after = pairs.last().map(|(key, _): &(Key, Vec<u8>)| key.clone());
            let step = self.0.backend.scan(prefix, after.as_ref(), SCAN_STEP)?;
            let last = step.len() < SCAN_STEP;
            pairs.extend(step);
            if last {
                return Ok(pairs);
            }
        }
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
        let mut batch = Batch::new();
        meta::put(&mut batch, ENDED, &Ended { epoch: self.0.epoch.0 });
        self.commit(batch).await
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

/// Checks the format and takes over: the epoch grows, and the sequence continues behind every
/// number ever reserved.
fn begin(backend: &dyn Backend) -> Result<Begun, StoreError> {
    let mut batch = Batch::new();
    let before: Option<Opened> = meta::get(backend, OPENED, &mut batch)?;
    if let Some(Opened { format, .. }) = before
        && format > FORMAT
    {
        return Err(StoreError::Newer { found: format, known: FORMAT });
    }
    let reserved: Option<ReservedTo> = meta::get(backend, sequence::NAME, &mut batch)?;
    let ended: Option<Ended> = meta::get(backend, ENDED, &mut batch)?;
    let was_interrupted =
        before.as_ref().is_some_and(|opened| ended != Some(Ended { epoch: opened.epoch }));
    let epoch = before.map_or(1, |opened| opened.epoch + 1);
    let interrupted: Option<Interrupted> = meta::get(backend, INTERRUPTED, &mut batch)?;
    let interrupted = interrupted.map_or(0, |lives| lives.0) + u64::from(was_interrupted);
    if interrupted > 0 {
        meta::put(&mut batch, INTERRUPTED, &Interrupted(interrupted));
    }
    meta::put(&mut batch, OPENED, &Opened { format: FORMAT, epoch });
    if let Some(reserved) = reserved {
        meta::put(&mut batch, sequence::NAME, &reserved);
    }
    crash_point("open.before_epoch");
    backend.commit(&batch.writes)?;
    crash_point("open.after_epoch");
    let sequence = Sequence::new(reserved.map_or(1, |reserved| reserved.0));
    Ok(Begun { epoch: Epoch(epoch), sequence, was_interrupted, interrupted })
}

/// What is known when a store has been taken over.
struct Begun {
    epoch: Epoch,
    sequence: Sequence,
    was_interrupted: bool,
    interrupted: u64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        match &mut self.writer {
            Writer::Thread { queue, thread } => {
                drop(queue.take());
                // The last clone may die on the committer's own thread, inside a callback.
                if let Some(thread) = thread.take()
                    && thread.thread().id() != std::thread::current().id()
                    && thread.join().is_err()
                {
                    tracing::error!("committer thread panicked");
                }
            }
            Writer::Inline(committer) => {
                committer.get_mut().unwrap_or_else(PoisonError::into_inner).sync();
            }
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("epoch", &self.0.epoch).finish_non_exhaustive()
    }
}
