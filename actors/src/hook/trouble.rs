//! Hooks whose last run failed: what an operator is shown beside the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Moment;

/// A hook that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Its name.
    pub hook: String,
    /// When it was run last.
    pub moment: Moment,
    /// What went wrong then.
    pub error: String,
    /// Runs in a row that have failed.
    pub times: u64,
}

/// All of them. As many as there are hooks, at most.
#[derive(Debug, Clone, Default)]
pub(super) struct Troubles(Arc<Mutex<BTreeMap<String, Failing>>>);

impl Troubles {
    pub(super) fn failed(&self, hook: &str, moment: Moment, error: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.get(hook).map_or(0, |failing| failing.times).saturating_add(1);
        let failing = Failing { hook: hook.to_owned(), moment, error: error.to_owned(), times };
        all.insert(hook.to_owned(), failing);
    }

    pub(super) fn worked(&self, hook: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(hook);
    }

    pub(super) fn all(&self) -> Vec<Failing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
