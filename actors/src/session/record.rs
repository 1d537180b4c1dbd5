//! The stored shapes of a conversation.

use serde::{Deserialize, Serialize};

use crate::client_tool::handed;
use crate::clock::Timestamp;
use crate::inbox::{InboxRecord, inbox_prefix};
use crate::message::{Destination, EnvelopeId, SessionKey};
use crate::provider::{ToolCall, TurnMessage, Usage};
use crate::store::codec::older;
use crate::store::{Key, Record, Space, Store, StoreError};

/// A message as the transcript keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its number in the journal.
    pub envelope: EnvelopeId,
    /// The platform's id of it.
    pub platform_id: String,
    /// Who wrote it.
    pub sender: String,
    /// What it said.
    pub text: String,
    /// When the platform says it was written.
    pub sent_at: Timestamp,
    /// When it was admitted.
    pub admitted_at: Timestamp,
}

/// One answered turn: what was said, what was answered, and where the answer went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The turn: the number of the first message it answers.
    pub turn: u64,
    /// The messages it answered, oldest first.
    pub said: Vec<Said>,
    /// What the model was asked.
    pub prompt: String,
    /// What the model and its tools said in between.
    pub steps: Vec<TurnMessage>,
    /// What it answered.
    pub answer: String,
    /// The model, as `provider/model`.
    pub model: String,
    /// Tokens used.
    pub usage: Usage,
    /// When the turn began.
    pub started_at: Timestamp,
    /// When it was finished.
    pub finished_at: Timestamp,
    /// Where the answer went.
    pub reply_to: Destination,
    /// The outbox entries of the answer.
    pub entries: Vec<u64>,
}

impl Exchange {
    /// Dates what is written down by the wall clock: it ended at `now`, and began as long before that
    /// as it took. The session itself goes by a steady clock.
    pub(super) fn date(&mut self, now: Timestamp) {
        self.started_at = now.minus(self.finished_at.since(self.started_at));
        self.finished_at = now;
    }

    /// The calls it ended with that are its client's to make.
    pub fn handed(&self) -> Vec<&ToolCall> {
        match self.steps.as_slice() {
            [.., asked, answered] => handed(&asked.parts, &answered.parts),
            _ => Vec::new(),
        }
    }
}

impl Record for Exchange {
    const VERSION: u8 = 3;

    /// In version 2 no call was handed over; the rest is as it was.
    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        match version {
            1 => older::<ExchangeV1>(payload).map(Self::from),
            2 => older(payload),
            _ => None,
        }
    }
}

/// Before there were tools.
#[derive(Serialize, Deserialize)]
struct ExchangeV1 {
    turn: u64,
    said: Vec<Said>,
    prompt: String,
    answer: String,
    model: String,
    usage: Usage,
    started_at: Timestamp,
    finished_at: Timestamp,
    reply_to: Destination,
    entries: Vec<u64>,
}

impl From<ExchangeV1> for Exchange {
    fn from(old: ExchangeV1) -> Self {
        Self {
            turn: old.turn,
            said: old.said,
            prompt: old.prompt,
            steps: Vec::new(),
            answer: old.answer,
            model: old.model,
            usage: old.usage,
            started_at: old.started_at,
            finished_at: old.finished_at,
            reply_to: old.reply_to,
            entries: old.entries,
        }
    }
}

/// Facts about a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its key.
    pub key: SessionKey,
    /// Its agent.
    pub agent: String,
    /// When it was first spoken in.
    pub created_at: Timestamp,
}

impl Record for SessionRecord {
    const VERSION: u8 = 1;
}

/// A turn that was in flight when its process or actor ended, on its next try. Its count is what
/// finds a poison message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// The turn.
    pub turn: u64,
    /// The messages it answers.
    pub members: Vec<EnvelopeId>,
    /// Attempts begun after a crash.
    pub attempts: u32,
    /// When the last one began.
    pub at: Timestamp,
}

impl Record for TurnRecord {
    const VERSION: u8 = 1;
}

/// Why the answer of a turn was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentRecord {
    /// When that was decided.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Record for UnsentRecord {
    const VERSION: u8 = 1;
}

/// Where the reason of a turn lives: turns are numbered over all sessions.
pub fn unsent_key(turn: u64) -> Key {
    Key::of(Space::Unsent).number(turn)
}

/// Where an exchange lives: by session, in order of its turn.
pub fn exchange_key(session: &SessionKey, turn: u64) -> Key {
    exchange_prefix(session).number(turn)
}

/// A session's transcript.
pub fn exchange_prefix(session: &SessionKey) -> Key {
    Key::of(Space::Transcript).text(session.as_str())
}

/// Where a session's facts live.
pub fn session_key(session: &SessionKey) -> Key {
    session_prefix().text(session.as_str())
}

/// All sessions.
pub fn session_prefix() -> Key {
    Key::of(Space::Session)
}

/// Where the journal of a session's turn lives: there is at most one (S2).
pub fn turn_key(session: &SessionKey) -> Key {
    Key::of(Space::Turn).text(session.as_str())
}

/// Whether anything was ever said in a session, as far as the store still knows.
///
/// # Errors
/// A damaged record.
pub fn is_known(store: &Store, session: &SessionKey) -> Result<bool, StoreError> {
    let waits: Vec<(Key, InboxRecord)> = store.page(&inbox_prefix(session), None, 1)?;
    let said: Vec<(Key, Exchange)> = store.tail(&exchange_prefix(session), 1)?;
    Ok(!waits.is_empty() || !said.is_empty() || store.contains(&session_key(session))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AccountKey;
    use crate::store::codec::decode;

    #[test]
    fn a_transcript_from_before_tools_is_still_read() {
        let to = Destination {
            account: AccountKey::new("fake", "default"),
            target: "anna".into(),
            thread: None,
        };
        let old = ExchangeV1 {
            turn: 7,
            said: vec![],
            prompt: "hi".into(),
            answer: "hello".into(),
            model: "m".into(),
            usage: Usage { input: 1, output: 2 },
            started_at: Timestamp(1),
            finished_at: Timestamp(2),
            reply_to: to,
            entries: vec![9],
        };
        let key = exchange_key(&SessionKey::main("main", "main").unwrap(), 7);
        let bytes = crate::store::codec::encode(&key, &Old(old));
        let read: Exchange = decode(&key, &bytes).unwrap();
        assert_eq!((read.turn, read.answer.as_str(), read.entries), (7, "hello", vec![9]));
        assert!(read.steps.is_empty());
    }

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Old(ExchangeV1);

    impl Record for Old {
        const VERSION: u8 = 1;
    }
}
