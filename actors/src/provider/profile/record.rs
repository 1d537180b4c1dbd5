//! The stored shapes of profiles.

use serde::{Deserialize, Serialize};

use super::State;
use crate::store::{Key, Record, Space};

impl Record for State {
    const VERSION: u8 = 1;
}

/// The profile a session has used last with a provider: its cache there is warm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Pin {
    /// The profile's id.
    pub(in super::super) profile: String,
}

impl Record for Pin {
    const VERSION: u8 = 1;
}

/// Where a profile's state lives.
pub(in super::super) fn state_key(provider: &str, profile: &str) -> Key {
    Key::of(Space::Profile).text(provider).text("state").text(profile)
}

/// Where a session's pin lives.
pub(in super::super) fn pin_key(provider: &str, session: &str) -> Key {
    Key::of(Space::Profile).text(provider).text("pin").text(session)
}
