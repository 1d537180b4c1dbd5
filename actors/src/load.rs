//! How much is under way, over the whole engine: for admission limits, draining and status.
//!
//! The counts are the store's own tallies, changed by the same commits that change the records. A
//! crash between two steps can't let them drift.

use serde::Serialize;

use crate::store::{Space, Store};

/// What waits at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LoadSnapshot {
    /// Admitted messages without an answer.
    pub waiting: u64,
    /// Outbox entries not delivered yet.
    pub undelivered: u64,
    /// Commands of jobs that run; they do not go on after a stop.
    pub commands: u64,
    /// Calls of tools and nodes that others make and that run; what they come to is heard by this
    /// life only.
    pub calls: u64,
    /// What waits for a person.
    pub dead_letters: u64,
    /// Records found damaged and set aside, for a person as well.
    pub damaged: u64,
}

impl LoadSnapshot {
    /// The counts now, of a store: without the commands and calls that run.
    pub fn of(store: &Store) -> Self {
        Self {
            waiting: store.tally(Space::Inbox),
            undelivered: store.tally(Space::Outbox),
            commands: 0,
            calls: 0,
            dead_letters: store.tally(Space::DeadLetter),
            damaged: store.tally(Space::Quarantine),
        }
    }

    /// Whether everything admitted is answered, everything answered is out, and no command and no
    /// call runs.
    pub fn is_idle(&self) -> bool {
        self.undelivered == 0 && !self.is_working()
    }

    /// Whether something is done here that ends by itself: turns, commands, calls.
    pub fn is_working(&self) -> bool {
        self.waiting > 0 || self.commands > 0 || self.calls > 0
    }
}
