//! The stored shapes of an entry's life.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::channel::{Evidence, Receipt};
use crate::clock::Timestamp;
use crate::message::{Destination, SessionKey};
use crate::store::{Key, Record, Space};

/// An entry's number. Entries of one lane leave in the order of their numbers (D4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub u64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryState {
    /// To be sent, not before this moment.
    Pending {
        /// Back-off, or the platform's wish.
        not_before: Timestamp,
    },
    /// An attempt began. Found at start-up, it is in doubt.
    Sending {
        /// When.
        since: Timestamp,
        /// What settles doubt about it.
        evidence: Evidence,
    },
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptNote {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: String,
}

/// An entry on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Its number.
    pub id: EntryId,
    /// Whose answer it is.
    pub session: SessionKey,
    /// The turn that wrote it: the number of the first message it answers.
    pub turn: u64,
    /// Which part of the answer, counting from 0.
    pub part: u32,
    /// Where it goes.
    pub to: Destination,
    /// What it says.
    pub text: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Attempts begun.
    pub attempts: u32,
    /// Where it stands.
    pub state: EntryState,
    /// The last few attempts, for people.
    pub notes: Vec<AttemptNote>,
}

impl Record for EntryRecord {
    const VERSION: u8 = 1;
}

/// Proof that an entry is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecord {
    /// The entry as it was sent.
    pub entry: EntryRecord,
    /// When it was confirmed.
    pub at: Timestamp,
    /// The platform's proof.
    pub receipt: Receipt,
}

impl Record for ReceiptRecord {
    const VERSION: u8 = 1;
}

/// Where an entry lives: by account and lane, then in order.
pub fn entry_key(to: &Destination, id: EntryId) -> Key {
    entry_prefix(&to.account).text(&to.target).text(to.thread.as_deref().unwrap_or("")).number(id.0)
}

/// All entries of one account.
pub fn entry_prefix(account: &crate::message::AccountKey) -> Key {
    Key::of(Space::Outbox).text(&account.channel).text(&account.account)
}

/// Where a receipt lives.
pub fn receipt_key(id: EntryId) -> Key {
    receipt_prefix().number(id.0)
}

/// All receipts, oldest first.
pub fn receipt_prefix() -> Key {
    Key::of(Space::Receipt)
}
