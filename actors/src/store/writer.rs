//! The way of a batch to the committer: over a queue to its thread, or at once in the caller's.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use super::backend::Backend;
use super::batch::Epoch;
use super::committer::{Commit, Committer};
use super::error::StoreError;
use super::lock::StateLock;
use super::tally::Tallies;

/// Batches waiting for the committer before callers must wait or are refused. Every live session can
/// have one here; who only submits (router, delivery) must find room behind all of them.
const QUEUE_BATCHES_MAX: usize = 32_768;

/// Where the error is told that ends a store.
pub(super) type Failed = watch::Receiver<Option<StoreError>>;

pub(super) enum Writer {
    /// A thread of its own: sync calls block.
    Thread { queue: Option<mpsc::Sender<Commit>>, thread: Option<std::thread::JoinHandle<()>> },
    /// At once, in the caller: for backends without a disk, and for exact replays.
    Inline(Mutex<Committer>),
}

impl Writer {
    /// A committer with a thread of its own. It holds the lock as long as it runs.
    pub(super) fn threaded(
        backend: Arc<dyn Backend>,
        epoch: Epoch,
        tallies: Arc<Tallies>,
        lock: Option<Arc<StateLock>>,
    ) -> Result<(Self, Failed), StoreError> {
        let (queue, receiver) = mpsc::channel(QUEUE_BATCHES_MAX);
        let (committer, failure) = Committer::new(backend, epoch, tallies, lock);
        let thread = std::thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || committer.run(receiver))
            .map_err(|error| StoreError::Database(format!("no committer thread: {error}")))?;
        Ok((Self::Thread { queue: Some(queue), thread: Some(thread) }, failure))
    }

    /// A committer in the caller's thread.
    pub(super) fn inline(
        backend: Arc<dyn Backend>,
        epoch: Epoch,
        tallies: Arc<Tallies>,
    ) -> (Self, Failed) {
        let (committer, failure) = Committer::new(backend, epoch, tallies, None);
        (Self::Inline(Mutex::new(committer)), failure)
    }

    /// Queues a batch, waiting for room.
    pub(super) async fn send(&self, commit: Commit) -> Result<(), StoreError> {
        match self {
            Self::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Closed)?;
                queue.send(commit).await.map_err(|_| StoreError::Closed)
            }
            Self::Inline(committer) => {
                commit_now(committer, commit);
                Ok(())
            }
        }
    }

    /// Queues a batch if there is room.
    pub(super) fn try_send(&self, commit: Commit) -> Result<(), StoreError> {
        match self {
            Self::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Closed)?;
                queue.try_send(commit).map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                    mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
                })
            }
            Self::Inline(committer) => {
                commit_now(committer, commit);
                Ok(())
            }
        }
    }
}

fn commit_now(committer: &Mutex<Committer>, commit: Commit) {
    committer.lock().unwrap_or_else(PoisonError::into_inner).commit(vec![commit]);
}

impl Drop for Writer {
    fn drop(&mut self) {
        match self {
            Self::Thread { queue, thread } => {
                drop(queue.take());
                // The last clone may die on the committer's own thread, inside a callback.
                if let Some(thread) = thread.take()
                    && thread.thread().id() != std::thread::current().id()
                    && thread.join().is_err()
                {
                    tracing::error!("committer thread panicked");
                }
            }
            Self::Inline(committer) => {
                committer.get_mut().unwrap_or_else(PoisonError::into_inner).sync();
            }
        }
    }
}
