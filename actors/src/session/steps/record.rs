//! One recorded step of a turn, and where it is stored.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::inbox::InboxRecord;
use crate::message::{EnvelopeId, SessionKey};
use crate::provider::{Part, ToolResult, Usage};
use crate::session::record::turn_key;
use crate::store::codec::older;
use crate::store::{Key, Record};

/// One recorded step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepRecord {
    /// The model has answered with tool calls.
    Answer {
        /// How the turn began; with its first answer only.
        opening: Option<Opening>,
        /// What it said.
        parts: Vec<Part>,
        /// Tokens used.
        usage: Usage,
    },
    /// A tool has answered.
    Result(ToolResult),
    /// Newer messages were put into the turn, behind the results of this answer's calls.
    Steered(Steered),
}

/// Messages put into a running turn: its answer answers them too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steered {
    /// The messages.
    pub members: Vec<EnvelopeId>,
    /// What the model reads of them.
    pub text: String,
}

/// How a turn began. A turn that goes on after a crash answers the same messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The messages it answers.
    pub members: Vec<EnvelopeId>,
    /// What the model was asked.
    pub prompt: String,
    /// When.
    pub started_at: Timestamp,
}

impl Opening {
    /// Whether all its messages are still unanswered.
    pub fn is_among(&self, inbox: &[InboxRecord]) -> bool {
        let waits = |id: &EnvelopeId| inbox.iter().any(|record| record.envelope.id == *id);
        !self.members.is_empty() && self.members.iter().all(waits)
    }
}

impl Record for StepRecord {
    const VERSION: u8 = 2;

    /// Nothing was steered then; the rest is as it was.
    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        (version == 1).then(|| older(payload)).flatten()
    }
}

/// Where a step stands in its turn: the number of the answer, then 0 for the answer itself or the
/// place of the call, counting from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId {
    /// Which answer, counting from 0.
    pub round: u32,
    /// The answer, or one of its calls.
    pub place: u32,
}

/// Where a step is stored.
pub fn step_key(session: &SessionKey, turn: u64, step: StepId) -> Key {
    turn_key(session).number(turn).number(u64::from(step.round) << 32 | u64::from(step.place))
}

/// All steps of a session's turn, in order.
pub fn step_prefix(session: &SessionKey) -> Key {
    turn_key(session)
}

/// A turn and step, read back from a key; nothing for a key of another shape.
pub fn step_of_key(session: &SessionKey, key: &Key) -> Option<(u64, StepId)> {
    let rest = key.as_bytes().strip_prefix(turn_key(session).as_bytes())?;
    let (turn, step) = rest.split_first_chunk::<8>()?;
    let step = u64::from_be_bytes(step.try_into().ok()?);
    let low = u32::try_from(step & u64::from(u32::MAX)).ok()?;
    let step = StepId { round: u32::try_from(step >> 32).ok()?, place: low };
    Some((u64::from_be_bytes(*turn), step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ToolStatus;
    use crate::store::codec::{decode, encode};

    #[test]
    fn steps_from_before_steering_are_still_read() {
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        struct Old(StepRecord);
        impl Record for Old {
            const VERSION: u8 = 1;
        }
        let session = SessionKey::main("main", "main").unwrap();
        let id = StepId { round: 0, place: 1 };
        let key = step_key(&session, 7, id);
        let (call, name, text) = ("0".to_owned(), "tool".to_owned(), "seen".to_owned());
        let result = ToolResult { call, name, text, status: ToolStatus::Done };
        let bytes = encode(&key, &Old(StepRecord::Result(result.clone())));
        let read = decode::<StepRecord>(&key, &bytes);
        assert_eq!(read, Ok(StepRecord::Result(result)));
    }
}
