//! What a person has chosen for one session, kept over restarts.

use serde::{Deserialize, Serialize};

use super::ModelRef;
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// A session's own model. It is strict: when it fails nothing steps in, for a person who names a
/// model wants to know that it fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The model.
    pub model: ModelRef,
    /// The auth profile to ask it with, if one was named. While it rests, others step in.
    pub profile: Option<String>,
}

impl Record for Choice {
    const VERSION: u8 = 1;
}

/// Where a session's choice lives.
pub fn choice_key(session: &SessionKey) -> Key {
    Key::of(Space::Model).text(session.as_str())
}
