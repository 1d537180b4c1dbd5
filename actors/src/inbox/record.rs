//! The stored shapes of admission.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::message::{AccountKey, Envelope, EnvelopeId, SessionKey};
use crate::store::codec::older;
use crate::store::{Key, Record, Space};

/// An admitted message that waits for its answer. Removed by the commit that answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRecord {
    /// The message.
    pub envelope: Envelope,
    /// The session it was routed to.
    pub session: SessionKey,
    /// The agent that answers.
    pub agent: String,
    /// The life of the store in which it was admitted: an older one means that work on it may have
    /// been interrupted.
    pub epoch: u64,
}

impl Record for InboxRecord {
    const VERSION: u8 = 1;
}

/// What became of a platform message id at admission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It became this envelope of this session.
    Admitted {
        /// The journal's number.
        envelope: EnvelopeId,
        /// Where it went.
        session: SessionKey,
    },
    /// It was not answered, for this reason.
    Declined {
        /// A sentence for people.
        reason: String,
        /// Who wrote it.
        sender: String,
        /// How it began.
        excerpt: String,
    },
    /// It was there before this account was first watched.
    History,
}

/// A platform message id inside the dedupe window (D5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupeRecord {
    /// When it was first seen.
    pub at: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// What the message said, as [`digest`] gives it; nothing where nobody asks.
    pub text: Option<u64>,
}

impl Record for DedupeRecord {
    const VERSION: u8 = 2;

    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        (version == 1).then(|| older::<DedupeRecordV1>(payload)).flatten().map(Self::from)
    }
}

/// When a key said nothing about its message.
#[derive(Serialize, Deserialize)]
struct DedupeRecordV1 {
    at: Timestamp,
    fate: Fate,
}

impl From<DedupeRecordV1> for DedupeRecord {
    fn from(DedupeRecordV1 { at, fate }: DedupeRecordV1) -> Self {
        Self { at, fate, text: None }
    }
}

/// Tells one text from another.
pub fn digest(text: &str) -> u64 {
    let hash = Sha256::digest(text);
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// How far a channel account has read. The bytes are the channel's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRecord {
    /// When it was written.
    pub at: Timestamp,
    /// Opaque to everyone but the channel.
    pub position: Vec<u8>,
}

impl Record for CursorRecord {
    const VERSION: u8 = 1;
}

/// Where an inbox record lives: by session, then in order of admission.
pub fn inbox_key(session: &SessionKey, id: EnvelopeId) -> Key {
    inbox_prefix(session).number(id.0)
}

/// All that waits for one session.
pub fn inbox_prefix(session: &SessionKey) -> Key {
    Key::of(Space::Inbox).text(session.as_str())
}

/// Where the fate of a platform message id lives.
pub fn dedupe_key(account: &AccountKey, id: &str) -> Key {
    dedupe_prefix(account).text(id)
}

/// All ids seen on one account.
pub fn dedupe_prefix(account: &AccountKey) -> Key {
    Key::of(Space::Dedupe).text(&account.channel).text(&account.account)
}

/// Where an account's cursor lives.
pub fn cursor_key(account: &AccountKey) -> Key {
    Key::of(Space::Cursor).text(&account.channel).text(&account.account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::codec::{decode, encode};

    // D5: what an older program has seen stays seen. The bytes are those it wrote.
    #[test]
    fn ids_seen_by_an_older_program_are_still_known() {
        let account = AccountKey::new("imessage", "default");
        let session = SessionKey::main("main", "main").unwrap();
        let reason = "not allowed".to_owned();
        let (sender, excerpt) = ("eve".to_owned(), "let me in".to_owned());
        let cases: [(&str, &[u8], i64, Fate); 3] = [
            (
                "p-1",
                b"\x01\xa7\x06\xc5c\xfd\0\xd0\xca\x9f\x17\x03\0\0\0\xfb,\x01\x0fagent:main:main",
                1_700_000_000_000,
                Fate::Admitted { envelope: EnvelopeId(300), session },
            ),
            (
                "p-2",
                b"\x01\x83\xa8K\xa6\xfd\x02\xd0\xca\x9f\x17\x03\0\0\x01\x0bnot allowed\x03eve\x09let me in",
                1_700_000_000_001,
                Fate::Declined { reason, sender, excerpt },
            ),
            ("p-3", b"\x01\xc3\xea\x01\xbf\x09\x02", -5, Fate::History),
        ];
        for (id, bytes, at, fate) in cases {
            let key = dedupe_key(&account, id);
            let read: DedupeRecord = decode(&key, bytes).unwrap();
            assert_eq!(read, DedupeRecord { at: Timestamp(at), fate, text: None }, "{id}");
            // Written back, it is of today's layout, and the same.
            let anew = encode(&key, &read);
            assert_eq!((anew[0], decode(&key, &anew).as_ref()), (2, Ok(&read)), "{id}");
        }
    }
}
