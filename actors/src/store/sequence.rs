//! Numbers that grow for ever: reserved in blocks, so that one costs no write.

use std::sync::Mutex;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::codec::Record;
use super::meta;

/// Numbers reserved by one write. A crash skips at most this many.
const BLOCK: u64 = 1024;

/// The first number that is not reserved yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReservedTo(pub(super) u64);

impl Record for ReservedTo {
    const VERSION: u8 = 1;
}

/// The name of its record.
pub(super) const NAME: &str = "sequence";

/// Hands out numbers. The reservation of a block is submitted before any batch that uses the block,
/// and the committer keeps order, so a number that is durable is always reserved durably.
#[derive(Debug)]
pub(super) struct Sequence(Mutex<State>);

#[derive(Debug)]
struct State {
    next: u64,
    reserved_to: u64,
}

impl Sequence {
    /// Continues behind everything reserved before.
    pub(super) fn new(reserved_to: u64) -> Self {
        Self(Mutex::new(State { next: reserved_to.max(1), reserved_to }))
    }

    /// The next number; calls `reserve` with a batch when a new block is needed.
    pub(super) fn next<E>(&self, reserve: impl FnOnce(Batch) -> Result<(), E>) -> Result<u64, E> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.next >= state.reserved_to {
            let reserved_to = state.next + BLOCK;
            let mut batch = Batch::new();
            meta::put(&mut batch, NAME, &ReservedTo(reserved_to));
            // Under the lock, so that nobody submits a number of the block before the reservation.
            reserve(batch)?;
            state.reserved_to = reserved_to;
        }
        let number = state.next;
        state.next += 1;
        Ok(number)
    }
}
