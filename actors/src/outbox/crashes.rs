//! What a crash of the channel means for the entry it was working on, and how often one entry may
//! crash it.
//!
//! Only what is journalled counts: an entry that is not marked as being sent was not sent. The counts
//! are in memory: after a restart an entry gets its tries anew.

use std::collections::HashMap;

use super::record::{EntryId, EntryRecord, EntryState};
use crate::channel::SendFailure;
use crate::dead_letter::Reason;

/// Crashes over sending one entry before the entry is poison.
const SENDING_MAX: u32 = 3;
/// Crashes over looking for one entry before a person is asked: with the pause between looks five
/// minutes, as long as evidence may take anyway.
const LOOKING_MAX: u32 = 10;

/// How often the channel has crashed, by entry.
#[derive(Debug, Default)]
pub(super) struct Crashes(HashMap<EntryId, Counts>);

/// How often the channel has crashed over one entry.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    sending: u32,
    looking: u32,
}

/// What a crash means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Crashed {
    /// Nothing was sent: it counts as an attempt that failed.
    NotSent(SendFailure),
    /// It crashed while it was sending.
    InDoubt(String),
    /// Nothing is known that was not known before: look again, after a pause.
    LookAgain,
    /// It is given up.
    Dead(Reason),
}

impl Crashes {
    /// Counts a crash and says what it means. `stored` is the entry as the journal has it; the
    /// channel was either sending it or looking for it.
    pub(super) fn count(
        &mut self,
        stored: &EntryRecord,
        was_looking: bool,
        error: &str,
    ) -> Crashed {
        let counts = self.0.entry(stored.id).or_default();
        let count = if was_looking { &mut counts.looking } else { &mut counts.sending };
        *count += 1;
        let (times, reason) = (*count, format!("the channel crashed: {error}"));
        match stored.state {
            EntryState::Sending { .. } if was_looking && times >= LOOKING_MAX => {
                let message = format!("{times} times, looking for it: {reason}");
                Crashed::Dead(Reason::Unknown { message })
            }
            EntryState::Sending { .. } if was_looking => Crashed::LookAgain,
            EntryState::Sending { .. } => Crashed::InDoubt(reason),
            EntryState::Pending { .. } if times >= SENDING_MAX => {
                Crashed::Dead(Reason::Poison { attempts: times })
            }
            EntryState::Pending { .. } => Crashed::NotSent(SendFailure::transient(reason)),
        }
    }

    /// Why an entry must not be sent again: it has crashed the channel too often.
    pub(super) fn poison(&self, id: EntryId) -> Option<Reason> {
        let attempts = self.0.get(&id).map_or(0, |counts| counts.sending);
        (attempts >= SENDING_MAX).then_some(Reason::Poison { attempts })
    }

    /// An entry has ended.
    pub(super) fn forget(&mut self, id: EntryId) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Evidence;
    use crate::clock::Timestamp;
    use crate::message::{AccountKey, Destination, SessionKey};

    fn entry(state: EntryState) -> EntryRecord {
        let account = AccountKey::new("fake", "default");
        EntryRecord {
            id: EntryId(1),
            session: SessionKey::main("main", "main").unwrap(),
            turn: 1,
            part: 0,
            to: Destination { account, target: "x".into(), thread: None },
            text: "hi".into(),
            created_at: Timestamp(0),
            attempts: 0,
            state,
            notes: vec![],
        }
    }

    fn pending() -> EntryRecord {
        entry(EntryState::Pending { not_before: Timestamp(0) })
    }

    fn sending() -> EntryRecord {
        entry(EntryState::Sending { since: Timestamp(0), evidence: Evidence::default() })
    }

    #[test]
    fn an_entry_that_crashes_the_channel_before_it_is_sent_is_poison_in_the_end() {
        let mut crashes = Crashes::default();
        for _ in 1..SENDING_MAX {
            let meaning = crashes.count(&pending(), false, "boom");
            assert!(matches!(meaning, Crashed::NotSent(_)), "{meaning:?}");
            assert_eq!(crashes.poison(EntryId(1)), None);
        }
        let poison = Reason::Poison { attempts: SENDING_MAX };
        assert_eq!(crashes.count(&pending(), false, "boom"), Crashed::Dead(poison.clone()));
        assert_eq!(crashes.poison(EntryId(1)), Some(poison));
        assert_eq!(crashes.poison(EntryId(2)), None, "its neighbours live");
        crashes.forget(EntryId(1));
        assert_eq!(crashes.poison(EntryId(1)), None);
    }

    // D6: once it may be out, a crash never makes it an attempt that failed.
    #[test]
    fn a_crash_while_it_is_sent_is_doubt_however_often() {
        let mut crashes = Crashes::default();
        for _ in 0..2 * SENDING_MAX {
            let meaning = crashes.count(&sending(), false, "boom");
            assert_eq!(meaning, Crashed::InDoubt("the channel crashed: boom".into()));
        }
    }

    #[test]
    fn a_look_that_always_crashes_ends_with_a_person() {
        let mut crashes = Crashes::default();
        for _ in 1..LOOKING_MAX {
            assert_eq!(crashes.count(&sending(), true, "boom"), Crashed::LookAgain);
        }
        let Crashed::Dead(Reason::Unknown { message }) = crashes.count(&sending(), true, "boom")
        else {
            panic!("it goes on for ever")
        };
        assert_eq!(message, "10 times, looking for it: the channel crashed: boom");
        assert_eq!(crashes.poison(EntryId(1)), None, "looking is not sending");
    }
}
