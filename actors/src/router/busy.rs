//! Who has been told that too much waits already: each conversation once in a while.
//!
//! Pure, and in memory only: after a restart somebody may be told once more.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::message::Destination;

/// A conversation is told once in this time.
pub(super) const TOLD_EVERY: Duration = Duration::from_mins(10);
/// Conversations remembered. Beyond it nobody more is told until the first are due again.
pub(super) const TOLD_MAX: usize = 1_000;

/// What a person reads whose message can't be taken in now.
pub(super) const TEXT: &str = "I am very busy: more messages wait than I take in at once. Yours is not \
                        lost; it waits until there is room for it.";

/// Whom was told, and when.
#[derive(Debug, Default)]
pub(super) struct BusyBook(BTreeMap<Destination, Timestamp>);

impl BusyBook {
    /// Whether this conversation is to be told now; it counts as told then.
    pub(super) fn tells(&mut self, to: &Destination, now: Timestamp) -> bool {
        // A clock that was set back must not silence anybody for longer than the window.
        self.0.retain(|_, told| *told <= now && now.since(*told) < TOLD_EVERY);
        if self.0.len() >= TOLD_MAX || self.0.contains_key(to) {
            return false;
        }
        self.0.insert(to.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::AccountKey;

    fn person(nth: u16) -> Destination {
        let (account, target) = (AccountKey::new("fake", "default"), nth.to_string());
        Destination { account, target, thread: None }
    }

    proptest! {
        // Once per window, and again after it.
        #[test]
        fn nobody_is_told_twice_within_the_window(
            asks in prop::collection::vec((0u16..4, 0i64..300_000), 0..60),
        ) {
            let (mut book, mut now, mut told) = (BusyBook::default(), Timestamp(0), BTreeMap::new());
            for (nth, pause) in asks {
                now = Timestamp(now.0 + pause);
                let due = told.get(&nth).is_none_or(|at: &Timestamp| now.since(*at) >= TOLD_EVERY);
                prop_assert_eq!(book.tells(&person(nth), now), due);
                if due {
                    told.insert(nth, now);
                }
            }
        }
    }

    #[test]
    fn the_book_has_a_limit_and_forgets_in_time() {
        let mut book = BusyBook::default();
        let told = (0..2_000).filter(|nth| book.tells(&person(*nth), Timestamp(0))).count();
        assert_eq!(told, TOLD_MAX);
        assert!(book.tells(&person(1_999), Timestamp(0).plus(TOLD_EVERY)));
    }
}
