//! What heartbeats keep.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// Whether heartbeats are on, where somebody has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnabledRecord {
    /// Whether they are.
    pub is_enabled: bool,
}

impl Record for EnabledRecord {
    const VERSION: u8 = 1;
}

/// How far an agent's row of heartbeats has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// The next one is due then.
    pub due: Timestamp,
    /// They come this often, in milliseconds. A row with another pace begins anew.
    pub every_ms: u64,
}

impl Record for ScheduleRecord {
    const VERSION: u8 = 1;
}

/// What a session's heartbeats have sent last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidRecord {
    /// When.
    pub at: Timestamp,
    /// The text.
    pub text: String,
}

impl Record for SaidRecord {
    const VERSION: u8 = 1;
}

/// Where these records live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeatKey<'a> {
    /// An [`EnabledRecord`].
    Enabled,
    /// The last [`BeatStatus`](super::BeatStatus).
    Last,
    /// The [`ScheduleRecord`] of an agent.
    Schedule(&'a str),
    /// The [`SaidRecord`] of a session.
    Said(&'a SessionKey),
}

impl BeatKey<'_> {
    /// The key.
    pub fn key(self) -> Key {
        let space = Key::of(Space::Heartbeat);
        match self {
            Self::Enabled => space.text("enabled"),
            Self::Last => space.text("last"),
            Self::Schedule(agent) => space.text("schedule").text(agent),
            Self::Said(session) => space.text("said").text(session.as_str()),
        }
    }
}
