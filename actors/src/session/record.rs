//! The stored shapes of a conversation.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::{Destination, EnvelopeId, SessionKey};
use crate::provider::Usage;
use crate::store::{Key, Record, Space};

/// A message as the transcript keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its number in the journal.
    pub envelope: EnvelopeId,
    /// The platform's id of it.
    pub platform_id: String,
    /// Who wrote it.
    pub sender: String,
    /// What it said.
    pub text: String,
    /// When the platform says it was written.
    pub sent_at: Timestamp,
    /// When it was admitted.
    pub admitted_at: Timestamp,
}

/// One answered turn: what was said, what was answered, and where the answer went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The turn: the number of the first message it answers.
    pub turn: u64,
    /// The messages it answered, oldest first.
    pub said: Vec<Said>,
    /// What the model was asked.
    pub prompt: String,
    /// What it answered.
    pub answer: String,
    /// The model, as `provider/model`.
    pub model: String,
    /// Tokens used.
    pub usage: Usage,
    /// When the turn began.
    pub started_at: Timestamp,
    /// When it was finished.
    pub finished_at: Timestamp,
    /// Where the answer went.
    pub reply_to: Destination,
    /// The outbox entries of the answer.
    pub entries: Vec<u64>,
}

impl Record for Exchange {
    const VERSION: u8 = 1;
}

/// Facts about a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its key.
    pub key: SessionKey,
    /// Its agent.
    pub agent: String,
    /// When it was first spoken in.
    pub created_at: Timestamp,
}

impl Record for SessionRecord {
    const VERSION: u8 = 1;
}

/// A turn that was in flight when its process or actor ended, on its next try. Its count is what
/// finds a poison message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// The turn.
    pub turn: u64,
    /// The messages it answers.
    pub members: Vec<EnvelopeId>,
    /// Attempts begun after a crash.
    pub attempts: u32,
    /// When the last one began.
    pub at: Timestamp,
}

impl Record for TurnRecord {
    const VERSION: u8 = 1;
}

/// Where an exchange lives: by session, in order of its turn.
pub fn exchange_key(session: &SessionKey, turn: u64) -> Key {
    exchange_prefix(session).number(turn)
}

/// A session's transcript.
pub fn exchange_prefix(session: &SessionKey) -> Key {
    Key::of(Space::Transcript).text(session.as_str())
}

/// Where a session's facts live.
pub fn session_key(session: &SessionKey) -> Key {
    session_prefix().text(session.as_str())
}

/// All sessions.
pub fn session_prefix() -> Key {
    Key::of(Space::Session)
}

/// Where the journal of a session's turn lives: there is at most one (S2).
pub fn turn_key(session: &SessionKey) -> Key {
    Key::of(Space::Turn).text(session.as_str())
}
