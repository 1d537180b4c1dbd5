//! Beginning a call under a key: from the note that it is made until it is made, nobody else looks
//! at that key.
//!
//! Whoever repeats a call in between waits that long, and finds it under way. Whoever leaves in
//! between has made nothing, and the note is taken back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telson_actors::store::{Batch, Key, Store, StoreError};
use tokio::sync::OwnedMutexGuard;

/// The keys that somebody looks at: no more than there are calls. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Arc<Mutex<BTreeMap<Key, Looked>>>);

/// How many look at a key, and whose turn it is.
#[derive(Debug, Default)]
struct Looked {
    by: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Keys {
    /// Returns once nobody else looks at a key.
    pub(super) async fn turn(&self, key: &Key) -> Turn {
        let turn = {
            let mut keys = self.lock();
            let looked = keys.entry(key.clone()).or_default();
            looked.by += 1;
            looked.turn.clone()
        };
        // Counted before it waits, so that who leaves while it waits is uncounted.
        let place = Place { keys: self.clone(), key: key.clone() };
        Turn { _turn: turn.lock_owned().await, _place: place }
    }

    /// How many look, or wait to: calls that are about to be made.
    pub(super) fn count(&self) -> u64 {
        self.lock().values().map(|looked| looked.by as u64).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody else looks at a key until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedMutexGuard<()>,
    _place: Place,
}

/// Somebody who looks at a key, or waits to.
#[derive(Debug)]
struct Place {
    keys: Keys,
    key: Key,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut keys = self.keys.lock();
        if let Some(looked) = keys.get_mut(&self.key) {
            looked.by -= 1;
            if looked.by == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

/// A call that is noted and not made yet. Dropped, it is not made, and its key is free again.
pub(crate) struct Beginning {
    store: Store,
    key: Key,
    is_noted: bool,
    /// Until it is dropped, or what it has noted is taken back.
    turn: Option<Turn>,
}

impl Beginning {
    /// Nothing is noted yet.
    pub(super) fn new(store: Store, key: Key, turn: Turn) -> Self {
        Self { store, key, is_noted: false, turn: Some(turn) }
    }

    /// Whether the note may be there, and nobody else's.
    pub(super) fn set_noted(&mut self, is_noted: bool) {
        self.is_noted = is_noted;
    }

    /// The call is made: whoever looks from now on finds it.
    pub(crate) fn made(mut self) {
        self.is_noted = false;
    }

    /// It is not made after all. The key is free when this returns.
    pub(crate) async fn undone(mut self) -> Result<(), StoreError> {
        let taken_back = self.store.commit(self.taking_back()).await;
        self.is_noted = false;
        taken_back
    }

    fn taking_back(&self) -> Batch {
        let mut batch = Batch::new();
        batch.delete(self.key.clone());
        batch
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if !self.is_noted {
            return;
        }
        // Nobody else looks before it is gone: he would take the note for somebody else's.
        let turn = self.turn.take();
        if let Err(error) = self.store.submit(self.taking_back(), move |_| drop(turn)) {
            tracing::warn!(%error, "the key of a call that was not made stays taken");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use telson_actors::store::{MemoryBackend, Space};

    use super::*;

    fn key() -> Key {
        Key::of(Space::Answer).text("m").text("k")
    }

    #[tokio::test]
    async fn one_at_a_time_looks_at_a_key_and_nothing_is_kept_of_it() {
        let (keys, key) = (Keys::default(), key());
        let first = keys.turn(&key).await;
        let mut second = Box::pin(keys.turn(&key));
        let mut third = Box::pin(keys.turn(&key));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(keys.count(), 3);
        // Another key is nobody's concern.
        drop(keys.turn(&key.clone().text("other")).await);
        drop(second);
        drop(first);
        drop(third.await);
        assert!(keys.lock().is_empty(), "L1");
    }

    #[tokio::test]
    async fn a_call_that_is_left_before_it_is_made_frees_its_key() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let keys = Keys::default();
        for (is_noted, is_made) in [(true, false), (true, true), (false, false)] {
            let mut batch = Batch::new();
            batch.put(key(), &answer());
            store.commit(batch).await.unwrap();
            let turn = keys.turn(&key()).await;
            let mut beginning = Beginning::new(store.clone(), key(), turn);
            beginning.set_noted(is_noted);
            if is_made {
                beginning.made();
            } else {
                drop(beginning);
            }
            let is_there = store.contains(&key()).unwrap();
            assert_eq!(is_there, !is_noted || is_made, "{is_noted} {is_made}");
        }
    }

    fn answer() -> telson_actors::answer::AnswerRecord {
        telson_actors::answer::AnswerRecord {
            at: telson_actors::clock::Timestamp(1),
            epoch: 1,
            asked: 1,
            end: telson_actors::answer::CallEnd::Open,
        }
    }
}
