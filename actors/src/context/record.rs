//! The stored shape of a summary.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// Covered exchanges a summary names, the newest: more than a session ever shows, so that none of
/// those it shows is shown twice or left out.
pub const SUMMARY_COVERS_MAX: usize = 100;

/// What stands for the older part of a conversation. A session has at most one: the next one stands
/// for it as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What it says.
    pub text: String,
    /// The turns it stands for, in order; only the newest are named.
    pub covers: Vec<u64>,
    /// How many exchanges it stands for, over all its forerunners.
    pub exchanges: u64,
    /// The model that wrote it, as `provider/model`.
    pub model: String,
    /// When it was written.
    pub at: Timestamp,
}

impl Record for Summary {
    const VERSION: u8 = 1;
}

/// Where a session's summary lives.
pub fn summary_key(session: &SessionKey) -> Key {
    Key::of(Space::Summary).text(session.as_str())
}
