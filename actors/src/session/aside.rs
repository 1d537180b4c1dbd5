//! What is noted about a turn in flight beside its steps: what hooks decided, an answer they are
//! asked about, and the blocks that are on their way.

use serde::{Deserialize, Serialize};

use crate::message::{EnvelopeId, SessionKey};
use crate::provider::Completion;
use crate::store::{Key, Record, Space};

/// The notes about one turn; a session has at most one turn in flight (S2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnAside {
    /// The messages the turn answers. Of a turn over other messages nothing is known.
    pub members: Vec<EnvelopeId>,
    /// The system prompt and the context below it, once `before_agent_start` has been asked: what a
    /// paid request depends on is decided once.
    pub start: Option<(String, String)>,
    /// An answer and its number, kept while `message_sending` is asked about it.
    pub answer: Option<(u32, Completion)>,
    /// Outbox entries of what was said before the last answer, where blocks are streamed.
    pub blocks: Vec<u64>,
}

impl Record for TurnAside {
    const VERSION: u8 = 1;
}

impl TurnAside {
    /// Nothing yet, about a turn over these messages.
    pub fn about(members: &[EnvelopeId]) -> Self {
        Self { members: members.to_vec(), ..Self::default() }
    }
}

/// Where they live.
pub fn aside_key(session: &SessionKey) -> Key {
    Key::of(Space::Aside).text(session.as_str())
}
