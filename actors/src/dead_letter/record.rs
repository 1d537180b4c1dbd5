//! The stored shape of a dead letter.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::clock::Timestamp;
use crate::inbox::InboxRecord;
use crate::message::AccountKey;
use crate::outbox::EntryRecord;
use crate::store::{Batch, Key, Record, Space};

/// A dead letter's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeadLetterId(pub u64);

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// What could not be finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// A message without an answer.
    Inbound(Box<InboxRecord>),
    /// A reply that is not (provably) out.
    Outbound(Box<EntryRecord>),
    /// Something on the platform that never became a message.
    Row {
        /// The account it was seen on.
        account: AccountKey,
        /// The platform's id.
        platform_id: String,
    },
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its number.
    pub id: DeadLetterId,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// What.
    pub item: Item,
}

impl Record for DeadLetter {
    const VERSION: u8 = 1;
}

/// Where it lives.
pub fn key(id: DeadLetterId) -> Key {
    prefix().number(id.0)
}

/// All of them, oldest first.
pub fn prefix() -> Key {
    Key::of(Space::DeadLetter)
}

/// Adds a dead letter to a batch, so that it appears in the same instant in which the work it
/// stands for disappears.
pub fn add(batch: &mut Batch, letter: &DeadLetter) {
    batch.put(key(letter.id), letter).tally(Space::DeadLetter, 1);
}
