//! What web chat keeps.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Key, Record, Space};

/// One message to the readers of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRecord {
    /// When it was sent.
    pub at: Timestamp,
    /// The session, by its key.
    pub session: String,
    /// Its number: the outbox entry, growing over time, never reused.
    pub number: u64,
    /// What it says.
    pub text: String,
}

impl Record for ChatRecord {
    const VERSION: u8 = 1;
}

/// Where a message lives: by session, then in order of sending.
pub fn chat_key(session: &str, number: u64) -> Key {
    chat_prefix(session).number(number)
}

/// All that was sent to one session.
pub fn chat_prefix(session: &str) -> Key {
    Key::of(Space::WebChat).text(session)
}
