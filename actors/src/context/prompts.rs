//! What the turns in flight began with. It outlives a session that crashes: its next life asks with
//! the same words, so that the provider knows the question it is working on (D7).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::message::SessionKey;

/// The prompts of the turns in flight, one for each session. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Prompts(Arc<Mutex<HashMap<SessionKey, Begun>>>);

/// A turn, and the words it began with.
type Begun = (u64, Arc<str>);

impl Prompts {
    /// What this turn began with.
    pub fn of(&self, session: &SessionKey, turn: u64) -> Option<Arc<str>> {
        let prompts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prompts.get(session).filter(|(of, _)| *of == turn).map(|(_, text)| text.clone())
    }

    /// A turn begins with these words.
    pub fn keep(&self, session: &SessionKey, turn: u64, text: Arc<str>) {
        let mut prompts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prompts.insert(session.clone(), (turn, text));
    }

    /// The session's turn has ended.
    pub fn forget(&self, session: &SessionKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }
}
