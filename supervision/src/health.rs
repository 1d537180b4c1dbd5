//! Liveness as completed work, plus the depth of a mailbox ractor does not tell.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shared between an actor, those who write to it, and its supervisor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    /// Milliseconds since `origin`, plus one; 0 = nothing completed since the last start.
    completed: AtomicU64,
    queued: AtomicI64,
    note: Mutex<Option<String>>,
}

impl Health {
    /// A fresh record: nothing completed, nothing queued.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            origin: Instant::now(),
            completed: AtomicU64::new(0),
            queued: AtomicI64::new(0),
            note: Mutex::new(None),
        }))
    }

    /// A unit of work is done: a finished poll, an acknowledged ping. An open socket is none.
    pub fn completed(&self) {
        let millis = u64::try_from(self.0.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.completed.store(millis + 1, Ordering::Relaxed);
    }

    /// Time since the last completed unit of work.
    pub fn idle(&self) -> Option<Duration> {
        match self.0.completed.load(Ordering::Relaxed) {
            0 => None,
            millis => {
                Some(self.0.origin.elapsed().saturating_sub(Duration::from_millis(millis - 1)))
            }
        }
    }

    /// What a person should know about its state, such as `no permission to read the database`.
    pub fn set_note(&self, note: Option<String>) {
        *self.0.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
    }

    /// The note last set.
    pub fn note(&self) -> Option<String> {
        self.0.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A message was put into the mailbox. [`crate::Via`] does this.
    pub fn queued(&self) {
        self.0.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// A message was taken out. The actor calls it first thing in its handler.
    pub fn taken(&self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages waiting in the mailbox.
    pub fn depth(&self) -> u64 {
        u64::try_from(self.0.queued.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// The actor was started afresh: its mailbox is empty, nothing is completed yet.
    pub(crate) fn restarted(&self) {
        self.0.queued.store(0, Ordering::Relaxed);
        self.0.completed.store(0, Ordering::Relaxed);
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}
