//! What was put back to work: a replay gives a message or a reply a new number, and this record,
//! written by the same commit, leads from the new one to the old.

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::record::DeadLetterId;
use crate::clock::Timestamp;
use crate::store::{Key, Record, Space, Store, StoreError};

/// One replay, kept under the new number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRecord {
    /// When it was put back to work.
    pub at: Timestamp,
    /// The dead letter it was; there is none with this number any more.
    pub letter: DeadLetterId,
    /// Since when.
    pub dead_since: Timestamp,
    /// Why.
    pub reason: Reason,
    /// The number it had: that of a message or of an entry, as it is one.
    pub before: u64,
    /// How it began, if a person has changed what it says.
    pub said: Option<String>,
}

impl Record for ReplayRecord {
    const VERSION: u8 = 1;
}

/// Where it lives, by the new number.
pub(crate) fn replay_key(number: u64) -> Key {
    replay_prefix().number(number)
}

/// All replays.
pub(crate) fn replay_prefix() -> Key {
    Key::of(Space::Replay)
}

/// All replays, each with the new number, for finding what belongs together.
#[derive(Debug, Default)]
pub struct Replays(Vec<(u64, ReplayRecord)>);

impl Replays {
    /// Those the store has, oldest first. It keeps them as long as receipts.
    ///
    /// # Errors
    /// What the store answers.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let all = store.scan::<ReplayRecord>(&replay_prefix())?;
        Ok(Self(all.into_iter().map(|(key, record)| (key.last_number(), record)).collect()))
    }

    /// The number that a dead letter, which is none any more, was given.
    pub fn of_letter(&self, letter: u64) -> Option<u64> {
        self.0.iter().find(|(_, replay)| replay.letter.0 == letter).map(|(number, _)| *number)
    }

    /// The number after this one, if it was replayed.
    pub fn next(&self, number: u64) -> Option<u64> {
        self.0.iter().find(|(_, replay)| replay.before == number).map(|(number, _)| *number)
    }

    /// The replays that have led to a number, oldest first.
    pub fn before(&self, number: u64) -> Vec<&ReplayRecord> {
        let (mut found, mut at) = (Vec::new(), number);
        // A new number is always the higher one, so this ends.
        while let Some((_, replay)) = self.0.iter().find(|(new, _)| *new == at) {
            found.push(replay);
            if replay.before >= at {
                break;
            }
            at = replay.before;
        }
        found.reverse();
        found
    }

    /// All numbers that a message or a reply has had, this one among them.
    pub fn family(&self, number: u64) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            self.before(number).into_iter().map(|replay| replay.before).collect();
        numbers.push(number);
        let mut at = number;
        while let Some(next) = self.next(at).filter(|next| *next > at) {
            numbers.push(next);
            at = next;
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(letter: u64, before: u64) -> ReplayRecord {
        ReplayRecord {
            at: Timestamp(2),
            letter: DeadLetterId(letter),
            dead_since: Timestamp(1),
            reason: Reason::Overflow,
            before,
            said: None,
        }
    }

    #[test]
    fn what_was_replayed_is_found_by_any_number_it_has_had() {
        let replays = Replays(vec![(12, replay(9, 5)), (15, replay(14, 7)), (20, replay(18, 12))]);
        for number in [5, 12, 20] {
            assert_eq!(replays.family(number), [5, 12, 20]);
        }
        assert_eq!((replays.of_letter(18), replays.of_letter(5)), (Some(20), None));
        let letters: Vec<u64> = replays.before(20).iter().map(|it| it.letter.0).collect();
        assert_eq!(letters, [9, 18]);
        assert_eq!(replays.family(1), [1]);
        // Nothing that a damaged store could say makes it go on for ever.
        let round = Replays(vec![(3, replay(1, 4)), (4, replay(2, 3))]);
        assert!(round.family(3).len() <= 4 && round.family(4).len() <= 4);
    }
}
