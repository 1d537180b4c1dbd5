//! What a tool call has brought about: the record that makes a repeat do nothing.

use serde::{Deserialize, Serialize};

use super::super::CallKey;
use super::message;
use crate::clock::Timestamp;
use crate::message::{Destination, SessionKey};
use crate::provider::calls;
use crate::session::Exchange;
use crate::store::codec::older;
use crate::store::{Key, Record, Space, Store, StoreError};

/// The effect of one call, written by the commit that brought it about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRecord {
    /// When.
    pub at: Timestamp,
    /// The outbox entries it made.
    pub entries: Vec<u64>,
    /// Where they go; unknown of what was written before that was kept.
    pub to: Option<Destination>,
}

impl Record for EffectRecord {
    const VERSION: u8 = 2;

    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        (version == 1).then(|| older::<EffectV1>(payload)).flatten().map(Self::from)
    }
}

/// Before it said where its entries go.
#[derive(Serialize, Deserialize)]
struct EffectV1 {
    at: Timestamp,
    entries: Vec<u64>,
}

impl From<EffectV1> for EffectRecord {
    fn from(old: EffectV1) -> Self {
        Self { at: old.at, entries: old.entries, to: None }
    }
}

/// All effects inside the window.
pub fn effect_prefix() -> Key {
    Key::of(Space::Effect)
}

/// Where the effect of a call lives.
pub(super) fn effect_key(idempotency_key: &str) -> Key {
    effect_prefix().text(idempotency_key)
}

/// Where the messages went that an answered turn has sent with its own tool: of calls that took
/// effect, and nothing of those that were refused.
///
/// # Errors
/// What the store says.
pub fn sent_by_turn(
    store: &Store,
    session: &SessionKey,
    exchange: &Exchange,
) -> Result<Vec<Destination>, StoreError> {
    let mut sent = Vec::new();
    // As the turn has numbered them: its answers from 0, the calls of each from 1.
    let answers = exchange.steps.iter().filter(|message| calls(&message.parts).next().is_some());
    for (round, answer) in (0..).zip(answers) {
        for (place, call) in (1..).zip(calls(&answer.parts)) {
            if call.name != message::NAME {
                continue;
            }
            let key = CallKey { session: session.clone(), turn: exchange.turn, round, place };
            let key = effect_key(&key.idempotency_key(&call.arguments));
            sent.extend(store.get::<EffectRecord>(&key)?.and_then(|effect| effect.to));
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_of_before_is_the_same_and_says_not_where() {
        let old = EffectV1 { at: Timestamp(5), entries: vec![3, 4] };
        let bytes = bincode::serde::encode_to_vec(&old, bincode::config::standard()).unwrap();
        let found = EffectRecord::from_older(1, &bytes).unwrap();
        assert_eq!(found, EffectRecord { at: Timestamp(5), entries: vec![3, 4], to: None });
        assert_eq!(EffectRecord::from_older(0, &bytes), None);
    }
}
