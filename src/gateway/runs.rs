//! The runs that clients wait for: shared between the methods that begin them and the narrator that
//! tells how they go on. It lives as long as the service, so a narrator that is restarted knows what
//! it has told.

use std::sync::{Arc, Mutex, PoisonError};

use super::narrator::story::{At, Story};

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Runs(Arc<Mutex<Story>>);

impl Runs {
    /// Somebody is about to begin a run: its end will be told. `false` if it is open already.
    pub(crate) fn open(&self, run: &str, session: &str, agent: &str, at: At) -> bool {
        self.with(|story| story.open(run, session, agent, at))
    }

    /// It has not begun after all, or has ended long ago: nothing will be told.
    pub(crate) fn forget(&self, run: &str) {
        self.with(|story| story.forget(run));
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Story) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
