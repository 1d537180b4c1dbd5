//! What people have noted about a session: its label, whether it is put away. And its past lives: what
//! was said before a session was begun anew.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// What people have noted. A session without one has nothing noted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionNote {
    /// What people call it.
    pub label: Option<String>,
    /// Since when it is put away.
    pub archived_at: Option<Timestamp>,
    /// Since when it stands at the top.
    pub pinned_at: Option<Timestamp>,
    /// How often it was begun anew.
    pub life: u64,
    /// When that was last.
    pub begun_at: Option<Timestamp>,
}

impl Record for SessionNote {
    const VERSION: u8 = 1;
}

/// Where a session's note lives.
pub fn note_key(session: &SessionKey) -> Key {
    Key::of(Space::SessionNote).text(session.as_str())
}

/// Where an exchange of a past life lives.
pub fn past_key(session: &SessionKey, life: u64, turn: u64) -> Key {
    past_prefix(session).number(life).number(turn)
}

/// All past lives of a session.
pub fn past_prefix(session: &SessionKey) -> Key {
    Key::of(Space::PastLife).text(session.as_str())
}
