//! One change of a session at a time: whatever is read for a change is what it changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use telson_actors::message::SessionKey;
use tokio::sync::OwnedMutexGuard;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Edits(Mutex<BTreeMap<SessionKey, Arc<tokio::sync::Mutex<()>>>>);

impl Edits {
    /// Nobody else changes this session meanwhile.
    pub(super) async fn of(&self, session: &SessionKey) -> OwnedMutexGuard<()> {
        let own = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody changes those any more, or waits to.
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            all.entry(session.clone()).or_default().clone()
        };
        own.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_session_and_nothing_stays() {
        let edits = Edits::default();
        let key = |name: &str| SessionKey::main("main", name).unwrap();
        let first = edits.of(&key("a")).await;
        assert!(edits.of(&key("a")).now_or_never().is_none());
        let other = edits.of(&key("b")).await;
        drop((first, other));
        let again = edits.of(&key("a")).await;
        // L1
        assert_eq!(edits.0.lock().unwrap().len(), 1);
        drop(again);
    }
}
