//! Beginning a call under a key: from the note that it is made until it is made, nobody else looks
//! at that key.
//!
//! Whoever repeats a call in between waits that long, and finds it under way. Whoever leaves in
//! between has made nothing, and the note is taken back.

use telson_actors::store::{Batch, Key, Store, StoreError};

use crate::turns::{Turn, Turns};

/// The keys that somebody looks at: no more than there are calls.
pub(super) type Keys = Turns<Key>;

/// A call that is noted and not made yet. Dropped, it is not made, and its key is free again.
pub(crate) struct Beginning {
    store: Store,
    key: Key,
    is_noted: bool,
    /// Until it is dropped, or what it has noted is taken back.
    turn: Option<Turn<Key>>,
}

impl Beginning {
    /// Nothing is noted yet.
    pub(super) fn new(store: Store, key: Key, turn: Turn<Key>) -> Self {
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
    use std::sync::Arc;

    use telson_actors::store::{MemoryBackend, Space};

    use super::*;

    fn key() -> Key {
        Key::of(Space::Answer).text("m").text("k")
    }

    #[tokio::test]
    async fn a_call_that_is_left_before_it_is_made_frees_its_key() {
        let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
        let keys = Keys::default();
        for (is_noted, is_made) in [(true, false), (true, true), (false, false)] {
            let mut batch = Batch::new();
            batch.put(key(), &answer());
            store.commit(batch).await.unwrap();
            let turn = keys.of(&key()).await;
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
