//! What calls under an idempotency key have come to: whoever asks again is told the same, and
//! nothing is done a second time.
//!
//! That a call is made is durable before it is made. A life that finds it without an end knows that
//! it may have been done, and says so. Invariants: D7, L1.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::sweep::{Retention, sweep};
use crate::store::{Key, Record, Space, Store, StoreError};

/// Longest answer that is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// As long as platform ids; as many as may take 160 MB at most, and far less in practice.
const WINDOW: Retention =
    Retention { age: Duration::from_hours(168), count_min: 1_000, count_max: 10_000 };

/// A call and what it has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// When it was made.
    pub at: Timestamp,
    /// The life of the store it was made in.
    pub epoch: u64,
    /// What was asked, as a digest: a key names one call.
    pub asked: u64,
    /// What it has come to.
    pub end: CallEnd,
}

/// What a call has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallEnd {
    /// Nobody knows yet.
    Open,
    /// It was made, and this is what it gave.
    Done(String),
    /// It was made and failed: a code, and a sentence.
    Failed(String, String),
    /// It was made; what it gave, of so many bytes, is too long to be kept.
    TooLong(u64),
    /// It may have been made, and nobody will ever know.
    Lost,
}

impl CallEnd {
    /// What is kept of an answer.
    pub fn done(text: String) -> Self {
        if text.len() > ANSWER_BYTES_MAX {
            return Self::TooLong(text.len() as u64);
        }
        Self::Done(text)
    }

    /// What is kept of a failure.
    pub fn failed(code: &str, why: &str) -> Self {
        let short = |text: &str| text.chars().take(ANSWER_BYTES_MAX / 8).collect::<String>();
        Self::Failed(short(code), short(why))
    }
}

impl Record for AnswerRecord {
    const VERSION: u8 = 1;
}

/// Where the answer to a call lives: by its method, then by its key.
pub fn answer_key(method: &str, key: &str) -> Key {
    Key::of(Space::Answer).text(method).text(key)
}

/// Forgets the answers outside the window.
pub(crate) async fn sweep_answers(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let all = Key::of(Space::Answer);
    sweep::<AnswerRecord>(store, &all, WINDOW, now, |record| record.at).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "ä".repeat(ANSWER_BYTES_MAX);
        assert_eq!(CallEnd::done("short".into()), CallEnd::Done("short".into()));
        assert_eq!(CallEnd::done(long.clone()), CallEnd::TooLong(2 * ANSWER_BYTES_MAX as u64));
        let CallEnd::Failed(code, why) = CallEnd::failed("x", &long) else { panic!() };
        assert!(code == "x" && why.len() < ANSWER_BYTES_MAX);
    }
}
