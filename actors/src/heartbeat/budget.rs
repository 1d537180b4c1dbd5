//! How often an agent may wake, for whatever reason: something that wakes it in a circle must not
//! spend its owner's money in a circle.

use std::time::Duration;

use crate::clock::Timestamp;

/// Turns at once after a quiet time: a handful of things happen together on any day.
const BURST_MAX: u32 = 10;
/// One more after this long; so no interval of a minute or more ever meets the bound.
const ONE_MORE_AFTER: Duration = Duration::from_mins(1);

/// An agent's right to wake: at most `BURST_MAX` turns, and one more each minute.
#[derive(Debug, Clone)]
pub struct WakeBudget {
    /// The time up to which the right is used, in steady time: each turn moves it on by one minute,
    /// and it never lies further ahead than a burst.
    used_to: Timestamp,
}

impl WakeBudget {
    /// A whole one.
    pub fn new() -> Self {
        Self { used_to: Timestamp(i64::MIN) }
    }

    /// Takes the right for one turn; without any left, when the next will be there.
    ///
    /// # Errors
    /// The time, later than now.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let used = self.used_to.max(now).plus(ONE_MORE_AFTER);
        let ready = used.minus(ONE_MORE_AFTER.saturating_mul(BURST_MAX));
        if ready > now {
            return Err(ready);
        }
        self.used_to = used;
        Ok(())
    }

    /// Gives back the right for a turn that did not begin.
    pub fn give_back(&mut self) {
        self.used_to = self.used_to.minus(ONE_MORE_AFTER);
    }
}

impl Default for WakeBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_stretch_of_time_holds_more_than_a_burst_and_one_a_minute(
            mut asked in prop::collection::vec(0i64..3_600_000, 0..400),
        ) {
            asked.sort_unstable();
            let mut budget = WakeBudget::new();
            let taken: Vec<i64> =
                asked.into_iter().filter(|at| budget.take(Timestamp(*at)).is_ok()).collect();
            for (nth, from) in taken.iter().enumerate() {
                for (more, to) in taken[nth..].iter().enumerate() {
                    prop_assert!(i64::try_from(more).unwrap() < 11 + (to - from) / 60_000);
                }
            }
        }

        #[test]
        fn the_time_it_names_is_the_first_that_will_do(times in 1usize..40) {
            let (mut budget, mut now) = (WakeBudget::new(), Timestamp(5));
            for _ in 0..times {
                if let Err(ready) = budget.take(now) {
                    prop_assert!(ready > now);
                    prop_assert!(budget.clone().take(Timestamp(ready.0 - 1)).is_err());
                    now = ready;
                    prop_assert!(budget.take(now).is_ok());
                }
            }
        }

        // What did not begin leaves as much as there was, and never more than a whole burst.
        #[test]
        fn what_is_given_back_can_be_taken_again(
            tries in prop::collection::vec((0i64..90_000, any::<bool>()), 0..200),
        ) {
            let (mut budget, mut plain, mut now) = (WakeBudget::new(), WakeBudget::new(), 0);
            for (pause, begins) in tries {
                now += pause;
                let taken = budget.take(Timestamp(now));
                if begins {
                    prop_assert_eq!(taken, plain.take(Timestamp(now)));
                } else if taken.is_ok() {
                    budget.give_back();
                }
            }
        }

        #[test]
        fn whoever_wakes_once_a_minute_never_waits(minutes in 1i64..2_000) {
            let mut budget = WakeBudget::new();
            prop_assert!((0..minutes).all(|minute| budget.take(Timestamp(minute * 60_000)).is_ok()));
        }
    }
}
