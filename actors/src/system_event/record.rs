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

/// What a failed heartbeat was told and nobody has heard yet: its session is woken for it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryRecord {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// Heartbeats that have failed with it.
    pub failures: u32,
}

impl Record for RetryRecord {
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

/// All that failed heartbeats were told.
pub(super) fn all_retries() -> Key {
    Key::of(Space::SystemEvent).text("retry")
}

/// Where it stands that a session is to be woken again for what its turn was told.
pub fn retry_key(session: &SessionKey) -> Key {
    all_retries().text(session.as_str())
}

/// The session of a key behind this prefix, if it is behind it.
pub(super) fn session_of_key(prefix: &Key, key: &Key) -> Option<SessionKey> {
    let rest = key.as_bytes().strip_prefix(prefix.as_bytes())?;
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
        let waiting = waiting_key(&session, 256);
        assert_eq!(session_of_key(&all_waiting(), &waiting), Some(session.clone()));
        assert_eq!(session_of_key(&all_waiting(), &told_key(&session)), None);
        assert_eq!(session_of_key(&all_retries(), &retry_key(&session)), Some(session.clone()));
    }
}
