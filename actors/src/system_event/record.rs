//! The stored shapes of events.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// An event that waits for its session's next turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When it was reported.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
    /// Whether it wakes the agent instead of waiting for a turn that comes anyway.
    pub wakes: bool,
}

impl Record for EventRecord {
    const VERSION: u8 = 1;
}

/// What the turn in flight was told; there is at most one in a session (S2). It outlives a life, so
/// that the turn is told the same when it begins anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldRecord {
    /// When the turn took it.
    pub at: Timestamp,
    /// The lines above the turn's message.
    pub text: String,
}

impl Record for ToldRecord {
    const VERSION: u8 = 1;
}

/// Events that a session has read and its next turn takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Their numbers.
    pub numbers: Vec<u64>,
    /// The lines above the turn's message.
    pub text: String,
}

/// All events that wait for any session.
pub(super) fn all_waiting() -> Key {
    Key::of(Space::SystemEvent).text("waiting")
}

/// The events that wait for a session, in the order in which they were reported.
pub fn waiting_prefix(session: &SessionKey) -> Key {
    all_waiting().text(session.as_str())
}

/// Where a waiting event lives.
pub(super) fn waiting_key(session: &SessionKey, number: u64) -> Key {
    waiting_prefix(session).number(number)
}

/// The session of a waiting event's key.
pub(super) fn session_of_key(key: &Key) -> Option<SessionKey> {
    let rest = key.as_bytes().strip_prefix(all_waiting().as_bytes())?;
    let name = rest.split(|byte| *byte == 0).next()?;
    SessionKey::parse(std::str::from_utf8(name).ok()?).ok()
}

/// Where a session keeps what its turn in flight was told.
pub fn told_key(session: &SessionKey) -> Key {
    Key::of(Space::SystemEvent).text("told").text(session.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_session() {
        let session = SessionKey::main("home", "main").unwrap();
        assert_eq!(session_of_key(&waiting_key(&session, 256)), Some(session.clone()));
        assert_eq!(session_of_key(&told_key(&session)), None);
    }
}
