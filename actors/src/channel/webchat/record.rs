//! What web chat keeps.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::codec::older;
use crate::store::{Key, Record, Space};

/// One message to the readers of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRecord {
    /// When it was sent.
    pub at: Timestamp,
    /// The session, by its key.
    pub session: String,
    /// Its number, larger than that of every message kept before it, in any session; never reused.
    pub number: u64,
    /// What it says.
    pub text: String,
    /// The outbox entry it was; `None` for one an operator has put there.
    pub entry: Option<u64>,
}

impl Record for ChatRecord {
    const VERSION: u8 = 2;

    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        (version == 1).then(|| older::<ChatRecordV1>(payload)).flatten().map(Self::from)
    }
}

/// When messages were numbered by their entries.
#[derive(Serialize, Deserialize)]
struct ChatRecordV1 {
    at: Timestamp,
    session: String,
    number: u64,
    text: String,
}

impl From<ChatRecordV1> for ChatRecord {
    fn from(old: ChatRecordV1) -> Self {
        let ChatRecordV1 { at, session, number, text } = old;
        Self { at, session, number, text, entry: Some(number) }
    }
}

/// Where a message lives: by session, then in order of keeping.
pub fn chat_key(session: &str, number: u64) -> Key {
    chat_prefix(session).number(number)
}

/// All that was sent to one session.
pub fn chat_prefix(session: &str) -> Key {
    Key::of(Space::WebChat).text(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::codec::{decode, encode};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Old(ChatRecordV1);

    impl Record for Old {
        const VERSION: u8 = 1;
    }

    #[test]
    fn a_message_numbered_by_its_entry_is_still_read() {
        let (at, session, text) = (Timestamp(5), "agent:main:main".to_owned(), "hi".to_owned());
        let key = chat_key(&session, 7);
        let old = ChatRecordV1 { at, session: session.clone(), number: 7, text: text.clone() };
        let read: ChatRecord = decode(&key, &encode(&key, &Old(old))).unwrap();
        assert_eq!(read, ChatRecord { at, session, number: 7, text, entry: Some(7) });
    }
}
