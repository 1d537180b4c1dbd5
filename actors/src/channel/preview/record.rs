//! The stored shape of a preview that stands on its platform.

use serde::{Deserialize, Serialize};

use crate::message::{AccountKey, Destination};
use crate::store::{Key, Record, Space};

/// A preview that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewRecord {
    /// Whose answer it shows.
    pub session: String,
    /// Of which turn.
    pub turn: u64,
    /// Where it stands.
    pub to: Destination,
    /// The platform's id of it.
    pub id: String,
}

impl Record for PreviewRecord {
    const VERSION: u8 = 1;
}

/// All previews of an account.
pub fn preview_prefix(account: &AccountKey) -> Key {
    Key::of(Space::Preview).text(&account.channel).text(&account.account)
}

/// Where a preview's record lives.
pub fn preview_key(account: &AccountKey, session: &str, turn: u64) -> Key {
    preview_prefix(account).text(session).number(turn)
}
