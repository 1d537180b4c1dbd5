//! What the narrator has told: shared with the methods that begin the runs clients wait for. It lives
//! as long as the service, so a narrator that is restarted knows what it has told.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::narrator::story::{At, Story};

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Runs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    story: Mutex<Story>,
    /// The number of the last message of web chat that needs not be told any more.
    kept_to: Mutex<Option<u64>>,
    /// What came along with the messages of runs, and goes with their answers.
    files: Mutex<HashMap<String, Vec<PathBuf>>>,
}

impl Runs {
    /// Somebody is about to begin a run: its end will be told. `false` if it is open already.
    pub(crate) fn open(&self, run: &str, session: &str, agent: &str, at: At) -> bool {
        self.with(|story| story.open(run, session, agent, at))
    }

    /// It has not begun after all, or has ended long ago: nothing will be told.
    pub(crate) fn forget(&self, run: &str) {
        self.with(|story| story.forget(run));
        self.take_files(run);
    }

    /// The runs of a session that are open, and those that have begun to be asked for.
    pub(crate) fn open_in(&self, session: &str) -> Vec<String> {
        self.with(|story| story.open_in(session))
    }

    /// The session of a run that is open.
    pub(crate) fn session_of(&self, run: &str) -> Option<String> {
        self.with(|story| story.session_of(run).map(str::to_owned))
    }

    /// These files go once the run has ended.
    pub(crate) fn keep_files(&self, run: &str, files: Vec<PathBuf>) {
        if !files.is_empty() {
            self.0
                .files
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(run.to_owned(), files);
        }
    }

    /// The files of a run, which nobody looks after any more.
    pub(super) fn take_files(&self, run: &str) -> Vec<PathBuf> {
        let mut files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(run).unwrap_or_default()
    }

    /// What is told of models that have given no answer yet, for at most so many runs.
    pub(crate) fn failing(&self, max: usize, at: At) -> Vec<Value> {
        self.with(|story| story.failing(max, at))
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Story) -> T) -> T {
        work(&mut self.0.story.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How far web chat has been told; `first` if nothing has been told yet.
    pub(super) fn kept_to(&self, first: u64) -> u64 {
        *self.0.kept_to.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(first)
    }

    /// Web chat is told up to this number.
    pub(super) fn keep_to(&self, number: u64) {
        let mut kept_to = self.0.kept_to.lock().unwrap_or_else(PoisonError::into_inner);
        *kept_to = (*kept_to).max(Some(number));
    }
}
