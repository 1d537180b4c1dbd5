//! How many records a space holds and how many groups were synced, counted by the commits themselves.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::backend::Backend;
use super::error::StoreError;
use super::key::{Key, Space};

/// Keys listed per step when counting at the opening.
const STEP: usize = 1024;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    records: [AtomicI64; Space::COUNTED.len()],
    groups: AtomicU64,
}

impl Tallies {
    /// Counts what is there.
    pub(super) fn of(backend: &dyn Backend) -> Result<Self, StoreError> {
        let tallies = Self::default();
        for space in Space::COUNTED {
            tallies.add(space, count(backend, space)?);
        }
        Ok(tallies)
    }

    pub(super) fn add(&self, space: Space, change: i64) {
        if let Some(counter) = self.counter(space) {
            counter.fetch_add(change, Ordering::AcqRel);
        }
    }

    pub(super) fn get(&self, space: Space) -> u64 {
        let count = self.counter(space).map_or(0, |counter| counter.load(Ordering::Acquire));
        u64::try_from(count).unwrap_or(0)
    }

    /// A group of batches has become durable by one sync.
    pub(super) fn add_group(&self) {
        self.groups.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn groups(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    fn counter(&self, space: Space) -> Option<&AtomicI64> {
        Space::COUNTED
            .iter()
            .position(|counted| *counted == space)
            .map(|index| &self.records[index])
    }
}

fn count(backend: &dyn Backend, space: Space) -> Result<i64, StoreError> {
    let (mut total, mut after) = (0, None);
    loop {
        let step = backend.scan(&Key::of(space), after.as_ref(), STEP)?;
        total += i64::try_from(step.len()).unwrap_or(i64::MAX);
        match step.into_iter().next_back() {
            Some((key, _)) => after = Some(key),
            None => return Ok(total),
        }
    }
}
