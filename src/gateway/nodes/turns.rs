//! Whose turn it is with what waits for a node: one change at a time, for each node apart.
//!
//! A connection that sits in a write does not go on with its calls, one of which may have the turn:
//! a node that does not read holds up what is about itself, and nobody else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Locks = BTreeMap<String, Weak<tokio::sync::Mutex<()>>>;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<Locks>>);

impl Turns {
    /// Waits for the turn of a node; it ends when the answer is dropped.
    pub(super) async fn of(&self, node: &str) -> OwnedMutexGuard<()> {
        self.lock_of(node).lock_owned().await
    }

    fn lock_of(&self, node: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = locks.get(node).and_then(Weak::upgrade) {
            return known;
        }
        // L1: only those are kept that somebody has or waits for.
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(node.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_node_waits_for_itself_alone_and_no_lock_stays() {
        let turns = Turns::default();
        let first = turns.of("a").await;
        let mut second = Box::pin(turns.of("a"));
        assert!(second.as_mut().now_or_never().is_none(), "one at a time");
        assert!(turns.of("b").now_or_never().is_some(), "another node goes on");
        drop(first);
        assert!(second.as_mut().now_or_never().is_some());
        drop(second);
        for node in 0..1000 {
            turns.of(&node.to_string()).await;
        }
        assert!(turns.0.lock().unwrap().len() <= 2);
    }
}
