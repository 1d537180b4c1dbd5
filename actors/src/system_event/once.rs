//! Once for each id: where it stands that an event was reported, and what its id was used for.
//!
//! An id is one thing that happened, told as an event or as a message from inside the gateway, and
//! never as both: whoever reports it may have been told meanwhile to do it the other way.

use crate::channel::webchat;
use crate::clock::Timestamp;
use crate::inbox::{DedupeRecord, Fate, dedupe_key, digest};
use crate::message::{EnvelopeId, SessionKey};
use crate::store::Key;

/// What an id was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The session that was told; nothing where nobody noted it.
    pub session: Option<SessionKey>,
    text: Option<u64>,
}

impl Used {
    /// Whether that is what it was used for; also where nobody noted it.
    pub fn says(&self, text: &str) -> bool {
        self.text.is_none_or(|said| said == digest(text.trim()))
    }
}

impl From<DedupeRecord> for Used {
    fn from(record: DedupeRecord) -> Self {
        let session = match record.fate {
            Fate::Admitted { session, .. } => Some(session),
            Fate::Declined { .. } | Fate::History => None,
        };
        Self { session, text: record.text }
    }
}

/// Where it stands that an event of this id was reported.
pub fn event_key(id: &str) -> Key {
    message_key(&format!("event:{id}"))
}

/// Where it stands that a message of this id was admitted.
pub(super) fn message_key(id: &str) -> Key {
    dedupe_key(&webchat::account(), id)
}

/// What stands there: the number of the event that waits, or of the one it repeats.
pub(super) fn noted(at: Timestamp, session: &SessionKey, number: u64, text: &str) -> DedupeRecord {
    let fate = Fate::Admitted { envelope: EnvelopeId(number), session: session.clone() };
    DedupeRecord { at, fate, text: Some(digest(text.trim())) }
}
