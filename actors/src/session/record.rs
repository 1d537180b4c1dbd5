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
    use crate::provider::{Part, Reasoning, Role, ToolResult, ToolStatus};
    use crate::store::codec::{decode, encode};

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
        let bytes = encode(&key, &Old(old));
        let read: Exchange = decode(&key, &bytes).unwrap();
        assert_eq!((read.turn, read.answer.as_str(), read.entries), (7, "hello", vec![9]));
        assert!(read.steps.is_empty());
    }

    /// An exchange with every kind of part and every way a call could end, as a program wrote it
    /// that knew no tools of clients.
    const OLDER: &[u8] = b"\x02\xf3\x09\x86\xd8\x07\x01\x07\x03p-1\x04anna\x05count\xfd\0\xd0\xca\x9f\x17\x03\0\0\xfd\x14\xd0\xca\x9f\x17\x03\0\0\x05count\x02\
              \x01\x05\x01\x12anthropic-messages\x13{\"type\":\"thinking\"}\0\x0alet \
              me see\x02\x02c1\x05count\x08{\"by\":1}\0\x02\x02c2\x05count\x02{}\x01\x03sig\x02\x02c3\
              \x04exec\x02{}\0\0\x03\x03\x02c1\x05count\x011\0\x03\x02c2\x05count\x09no number\x01\x03\x02c\
              3\x04exec\x0cnobody knows\x02\x04done\x06mock/m\x0b\x07\xfd\x14\xd0\xca\x9f\x17\x03\0\0\xfd\xa0\xdf\xca\x9f\
              \x17\x03\0\0\x08imessage\x07default\x04anna\x01\x03t-1\x02\x08\x09";

    #[test]
    fn a_transcript_from_before_calls_were_handed_over_is_still_read() {
        let key = exchange_key(&SessionKey::main("main", "main").unwrap(), 7);
        let call = |id: &str, name: &str, arguments: &str, signature: Option<&str>| {
            Part::Call(ToolCall {
                id: id.into(),
                name: name.into(),
                arguments: arguments.into(),
                signature: signature.map(str::to_owned),
            })
        };
        let result = |call: &str, name: &str, text: &str, status| {
            let (call, name, text) = (call.into(), name.into(), text.into());
            Part::Result(ToolResult { call, name, text, status })
        };
        let (format, block) = ("anthropic-messages".into(), r#"{"type":"thinking"}"#.into());
        let asked = vec![
            Part::Reasoning(Reasoning { format, block }),
            Part::Text("let me see".into()),
            call("c1", "count", r#"{"by":1}"#, None),
            call("c2", "count", "{}", Some("sig")),
            call("c3", "exec", "{}", None),
        ];
        let answered = vec![
            result("c1", "count", "1", ToolStatus::Done),
            result("c2", "count", "no number", ToolStatus::Failed),
            result("c3", "exec", "nobody knows", ToolStatus::Unknown),
        ];
        let expected = Exchange {
            turn: 7,
            said: vec![Said {
                envelope: EnvelopeId(7),
                platform_id: "p-1".into(),
                sender: "anna".into(),
                text: "count".into(),
                sent_at: Timestamp(1_700_000_000_000),
                admitted_at: Timestamp(1_700_000_000_010),
            }],
            prompt: "count".into(),
            steps: vec![
                TurnMessage { role: Role::Assistant, parts: asked },
                TurnMessage { role: Role::User, parts: answered },
            ],
            answer: "done".into(),
            model: "mock/m".into(),
            usage: Usage { input: 11, output: 7 },
            started_at: Timestamp(1_700_000_000_010),
            finished_at: Timestamp(1_700_000_002_000),
            reply_to: Destination {
                account: AccountKey::new("imessage", "default"),
                target: "anna".into(),
                thread: Some("t-1".into()),
            },
            entries: vec![8, 9],
        };
        let read: Exchange = decode(&key, OLDER).unwrap();
        assert_eq!(read, expected);
        assert!(read.handed().is_empty());
        let anew = encode(&key, &read);
        assert_eq!((anew[0], decode(&key, &anew).as_ref()), (3, Ok(&read)));
    }

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Old(ExchangeV1);

    impl Record for Old {
        const VERSION: u8 = 1;
    }
}
