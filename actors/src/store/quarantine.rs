//! Damaged records: moved aside whole and raw, so that everything else goes on and nothing is
//! dropped in silence.
//!
//! A record is checked whenever it is read, and all of them are read once in a while
//! ([`Store::patrol`]); opening a store reads none for this, because transcripts grow for years.
//! A damaged one disappears from its own space and turns up in the quarantine in one commit, which
//! has no effect if the record was replaced meanwhile.

use serde::{Deserialize, Serialize};

use super::batch::{Batch, Expect};
use super::codec::{self, Record, RecordError};
use super::error::StoreError;
use super::handle::Store;
use super::key::{Key, Space};

/// Records checked in one step of a patrol.
const PATROL_STEP: usize = 256;
/// Shortest run of printable characters shown of a damaged record.
const RUN_CHARS_MIN: usize = 4;

/// A damaged record as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Where it was.
    pub key: Vec<u8>,
    /// What was there.
    pub value: Vec<u8>,
    /// What is wrong with it.
    pub reason: String,
}

impl Record for Damaged {
    const VERSION: u8 = 1;
}

impl Damaged {
    /// A short name that stays the same, such as `q1a2b3c4d`.
    pub fn id(&self) -> String {
        format!("q{:08x}", crc32fast::hash(&self.key))
    }

    /// What it was, in a word.
    pub fn kind(&self) -> &'static str {
        const KINDS: [(Space, &str); 34] = [
            (Space::Meta, "store"),
            (Space::Cursor, "cursor"),
            (Space::Dedupe, "platform id"),
            (Space::Inbox, "message"),
            (Space::Turn, "turn"),
            (Space::Session, "session"),
            (Space::Transcript, "exchange"),
            (Space::Queue, "queue choice"),
            (Space::Aside, "note about a turn"),
            (Space::Unsent, "unsent answer"),
            (Space::Outbox, "reply"),
            (Space::Receipt, "receipt"),
            (Space::Preview, "preview"),
            (Space::DeadLetter, "dead letter"),
            (Space::Pairing, "pairings"),
            (Space::Caller, "where to tell of a pairing"),
            (Space::DoneBefore, "note about a dead letter"),
            (Space::Model, "model choice"),
            (Space::Profile, "auth profile"),
            (Space::Effect, "effect of a tool call"),
            (Space::Summary, "summary"),
            (Space::Usage, "usage"),
            (Space::CronJob, "job"),
            (Space::CronRun, "run of a job"),
            (Space::CronReap, "session to be removed"),
            (Space::CronPlace, "last place"),
            (Space::WebChat, "web chat message"),
            (Space::SystemEvent, "system event"),
            (Space::Heartbeat, "heartbeat"),
            (Space::SessionNote, "note about a session"),
            (Space::PastLife, "exchange of a past life"),
            (Space::Node, "node"),
            (Space::Answer, "answer to a call"),
            (Space::Replay, "note about a replay"),
        ];
        let space = self.key.first().copied();
        KINDS.iter().find(|(known, _)| space == Some(*known as u8)).map_or("record", |kind| kind.1)
    }

    /// The parts of its key, for people.
    pub fn place(&self) -> String {
        readable(self.key.get(1..).unwrap_or_default(), 1)
    }

    /// What can still be read of it.
    pub fn text(&self) -> String {
        readable(self.value.get(codec::HEADER_BYTES..).unwrap_or_default(), RUN_CHARS_MIN)
    }
}

/// The runs of printable characters in some bytes.
fn readable(bytes: &[u8], chars_min: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
        .filter(|run| run.chars().count() >= chars_min)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where the damaged record of a key is kept.
pub(super) fn quarantine_key(key: &Key) -> Key {
    let mut bytes = vec![Space::Quarantine as u8];
    bytes.extend(key.as_bytes());
    Key::from_bytes(&bytes)
}

/// Adds the move of a damaged record to a batch.
pub(super) fn set_aside(batch: &mut Batch, key: &Key, value: &[u8], error: &RecordError) {
    tracing::error!(key = %key.readable(), %error,
        "a damaged record was set aside: see `telson dead-letters list`");
    let aside = quarantine_key(key);
    let damaged =
        Damaged { key: key.as_bytes().to_vec(), value: value.to_vec(), reason: error.to_string() };
    batch.put(aside, &damaged).tally(Space::Quarantine, 1);
}

impl Store {
    /// The decoded record; nothing for a damaged one, which is set aside.
    pub(super) fn checked<R: Record>(
        &self,
        key: &Key,
        value: &[u8],
    ) -> Result<Option<R>, StoreError> {
        match codec::decode(key, value) {
            Ok(record) => Ok(Some(record)),
            Err(error @ RecordError::Version { .. }) => {
                Err(StoreError::Record { key: key.readable(), error })
            }
            Err(error) => {
                self.move_aside(key, value, &error);
                Ok(None)
            }
        }
    }

    fn move_aside(&self, key: &Key, value: &[u8], error: &RecordError) {
        let mut batch = Batch::new();
        set_aside(&mut batch, key, value, error);
        batch.expect(Expect::Holds(key.clone(), value.to_vec())).delete(key.clone());
        if let Some(space) = Space::COUNTED.into_iter().find(|space| key.is_in(*space)) {
            batch.tally(space, -1);
        }
        // A conflict: it was replaced or set aside meanwhile. Not taken: the next reader finds it.
        if let Err(error) = self.submit(batch, |_| ()) {
            tracing::warn!(key = %key.readable(), %error, "a damaged record stays for now");
        }
    }

    /// Whether the record of a key was found damaged.
    ///
    /// # Errors
    /// What the database says.
    pub fn is_set_aside(&self, key: &Key) -> Result<bool, StoreError> {
        self.contains_raw(&quarantine_key(key))
    }

    /// Everything set aside.
    ///
    /// # Errors
    /// What the database says.
    pub fn damaged(&self) -> Result<Vec<Damaged>, StoreError> {
        let pairs = self.scan_raw(&Key::of(Space::Quarantine))?;
        let read = |(key, value): (Key, Vec<u8>)| {
            codec::decode(&key, &value).unwrap_or_else(|error| Damaged {
                key: key.as_bytes().get(1..).unwrap_or_default().to_vec(),
                value,
                reason: format!("{error}, twice"),
            })
        };
        Ok(pairs.into_iter().map(read).collect())
    }

    /// Forgets a damaged record; `false` if there is none.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn forget_damaged(&self, damaged: &Damaged) -> Result<bool, StoreError> {
        let key = quarantine_key(&Key::from_bytes(&damaged.key));
        let mut batch = Batch::new();
        batch.expect(Expect::Present(key.clone())).delete(key).tally(Space::Quarantine, -1);
        match self.commit(batch).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Checks the records behind `after` without asking what they are, a few hundred at a time, and
    /// sets the damaged ones aside. Answers where to go on; nothing at the end.
    ///
    /// # Errors
    /// What the database says.
    pub fn patrol(&self, after: Option<&Key>) -> Result<Option<Key>, StoreError> {
        let pairs = self.scan_step(&Key::from_bytes(&[]), after, PATROL_STEP)?;
        for (key, value) in &pairs {
            if Space::RECORDS.into_iter().any(|space| key.is_in(space))
                && let Err(error) = codec::check(key, value)
            {
                self.move_aside(key, value, &error);
            }
        }
        Ok(pairs.into_iter().next_back().map(|(key, _)| key))
    }
}
