//! Whose turn it is with something: one at a time, each thing apart.
//!
//! Whoever holds a turn and is not polled holds up what is about that thing, and nobody else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The things that somebody has or waits for, and no others. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Turns<K: Ord>(Arc<Mutex<BTreeMap<K, Wanted>>>);

/// How many have it or wait for it.
#[derive(Debug, Default)]
struct Wanted {
    by: usize,
    lock: Arc<tokio::sync::Mutex<()>>,
}

/// Nobody else has it until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<K: Ord> {
    _lock: OwnedMutexGuard<()>,
    _place: Place<K>,
}

/// Somebody who has it, or waits for it.
#[derive(Debug)]
struct Place<K: Ord> {
    turns: Arc<Mutex<BTreeMap<K, Wanted>>>,
    of: K,
}

impl<K: Ord> Default for Turns<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Ord + Clone> Turns<K> {
    /// Returns once nobody else has it.
    pub(crate) async fn of(&self, of: &K) -> Turn<K> {
        let lock = {
            let mut turns = locked(&self.0);
            let wanted = turns.entry(of.clone()).or_default();
            wanted.by += 1;
            wanted.lock.clone()
        };
        // Counted before it waits, so that who leaves while it waits is uncounted.
        let place = Place { turns: self.0.clone(), of: of.clone() };
        Turn { _lock: lock.lock_owned().await, _place: place }
    }

    /// How many have something, or wait for it.
    pub(crate) fn count(&self) -> u64 {
        locked(&self.0).values().map(|wanted| wanted.by as u64).sum()
    }
}

impl<K: Ord> Drop for Place<K> {
    fn drop(&mut self) {
        let mut turns = locked(&self.turns);
        if let Some(wanted) = turns.get_mut(&self.of) {
            wanted.by -= 1;
            if wanted.by == 0 {
                turns.remove(&self.of);
            }
        }
    }
}

fn locked<K: Ord>(turns: &Mutex<BTreeMap<K, Wanted>>) -> MutexGuard<'_, BTreeMap<K, Wanted>> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_has_a_thing_and_nothing_is_kept_of_it() {
        let turns = Turns::default();
        let first = turns.of(&"a").await;
        let mut second = Box::pin(turns.of(&"a"));
        let mut third = Box::pin(turns.of(&"a"));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(turns.count(), 3);
        assert!(turns.of(&"b").now_or_never().is_some(), "another goes on");
        drop(second);
        drop(first);
        drop(third.await);
        assert!(locked(&turns.0).is_empty(), "L1");
    }
}
