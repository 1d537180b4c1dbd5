//! The stored shapes of usage. Each record has one writer, the session it belongs to: so it can be
//! read, added to and written without anybody in between.

use serde::{Deserialize, Serialize};

use super::day::Day;
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// What a session has used since it began, and what its calls have taught.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUsage {
    /// The sum over all its calls.
    pub total: Tally,
    /// What a token of our estimate is in the provider's tokens, in thousandths; 0 for not known.
    pub scale: u32,
    /// What a provider has refused as too long.
    pub refused: Option<Refused>,
}

/// A request that was too long for its model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The model, as `provider/model`.
    pub model: String,
    /// The length of the request, in tokens of our estimate before it is scaled: what the scale
    /// learns later does not make it longer.
    pub tokens: u64,
}

impl Record for SessionUsage {
    const VERSION: u8 = 1;
}

/// What a session has used of one model in one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayUsage {
    /// The session.
    pub session: SessionKey,
    /// Its agent.
    pub agent: String,
    /// The model, as `provider/model`.
    pub model: String,
    /// The sum.
    pub tally: Tally,
    /// The last call.
    pub at: Timestamp,
}

impl Record for DayUsage {
    const VERSION: u8 = 1;
}

/// Where a session's usage is stored.
pub fn session_usage_key(session: &SessionKey) -> Key {
    Key::of(Space::Usage).number(0).text(session.as_str())
}

/// All records by day.
pub fn day_usage_prefix() -> Key {
    Key::of(Space::Usage).number(1)
}

/// All records of one day.
pub(super) fn day_key(day: Day) -> Key {
    day_usage_prefix().number(day.0)
}

/// A session's records of one day.
pub(super) fn session_day_key(day: Day, session: &SessionKey) -> Key {
    day_key(day).text(session.as_str())
}

/// Where the usage of a model in one day is stored.
pub(super) fn model_day_key(day: Day, session: &SessionKey, model: &str) -> Key {
    session_day_key(day, session).text(model)
}
