//! What a tool call has brought about: the record that makes a repeat do nothing.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Key, Record, Space};

/// The effect of one call, written by the commit that brought it about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRecord {
    /// When.
    pub at: Timestamp,
    /// The outbox entries it made.
    pub entries: Vec<u64>,
}

impl Record for EffectRecord {
    const VERSION: u8 = 1;
}

/// All effects inside the window.
pub fn effect_prefix() -> Key {
    Key::of(Space::Effect)
}

/// Where the effect of a call lives.
pub(super) fn effect_key(idempotency_key: &str) -> Key {
    effect_prefix().text(idempotency_key)
}
