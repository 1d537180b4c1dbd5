//! What is due (pure): which instant of a job runs now, which is missed, and what comes next.

use std::time::Duration;

use crate::clock::Timestamp;

/// An instant that is later than this was missed. Twice the longest pause between two looks, so
/// that nothing is missed while the machine is awake.
pub const LATE_MAX: Duration = Duration::from_mins(2);

/// Longest pause between two looks: a clock that is set and a machine that slept are noticed then.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A job at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The instant it waits for.
    pub next: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether a missed instant is made up for.
    pub catches_up: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Wait,
    /// Run this instant. All others up to now are one with it.
    Run(Timestamp),
    /// Let this instant and all others up to now go.
    Missed(Timestamp),
}

/// Decides. `first_after` answers the first instant of the job after a moment.
///
/// # Errors
/// What `first_after` says.
pub(super) fn due<E>(
    look: Look,
    mut first_after: impl FnMut(Timestamp) -> Result<Option<Timestamp>, E>,
) -> Result<Due, E> {
    let Look { next, now, catches_up } = look;
    if next > now {
        return Ok(Due::Wait);
    }
    if catches_up || now.since(next) <= LATE_MAX {
        return Ok(Due::Run(next));
    }
    // The machine may have woken up shortly before a later instant.
    let recent = first_after(Timestamp(now.minus(LATE_MAX).0.saturating_sub(1)))?;
    Ok(match recent {
        Some(recent) if recent <= now => Due::Run(recent),
        _ => Due::Missed(next),
    })
}

/// The moment behind which the next instant is looked for: `now`, or the end of a pause after a
/// failure, and never what has been given up already.
pub(super) fn base(now: Timestamp, floor: Option<Timestamp>) -> Timestamp {
    floor.map_or(now, |floor| floor.max(now))
}

/// The next instant of a job that has failed: the natural one, but not before the pause is over.
pub(super) fn after_failure(natural: Option<Timestamp>, resumes: Timestamp) -> Option<Timestamp> {
    natural.map(|natural| natural.max(resumes))
}

/// How long until the next look. What is due and may not begin waits for the next life, and nobody
/// has to look at it meanwhile.
pub(super) fn pause(next: Option<Timestamp>, now: Timestamp, may_begin: bool) -> Duration {
    let until = next.filter(|_| may_begin).map_or(LOOK_EVERY, |next| next.since(now));
    until.clamp(Duration::from_millis(1), LOOK_EVERY)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn decide(next: i64, now: i64, every: i64, catches_up: bool) -> Due {
        let first_after =
            |after: Timestamp| Ok::<_, Infallible>(Some(Timestamp((after.0 / every + 1) * every)));
        let look = Look { next: Timestamp(next), now: Timestamp(now), catches_up };
        due(look, first_after).unwrap()
    }

    #[test]
    fn late_is_run_missed_is_left_and_events_are_made_up_for_once() {
        let hour = 60 * MINUTE;
        assert_eq!(decide(hour, hour - 1, hour, false), Due::Wait);
        assert_eq!(decide(hour, hour + 2 * MINUTE, hour, false), Due::Run(Timestamp(hour)));
        assert_eq!(decide(hour, hour + 2 * MINUTE + 1, hour, false), Due::Missed(Timestamp(hour)));
        assert_eq!(decide(hour, 9 * hour, hour, true), Due::Run(Timestamp(hour)));
        // Asleep for hours, awake since half a minute before now.
        let woken = decide(hour, 9 * hour + MINUTE / 2, hour, false);
        assert_eq!(woken, Due::Run(Timestamp(9 * hour)));
    }

    #[test]
    fn looks_come_with_instants_and_where_nothing_may_begin_once_a_minute() {
        let now = Timestamp(MINUTE);
        let after = |ms: i64, may_begin| pause(Some(now.stepped(ms)), now, may_begin).as_millis();
        assert_eq!((after(20, true), after(-20, true), after(9 * MINUTE, true)), (20, 1, 60_000));
        assert_eq!((after(20, false), after(-20, false)), (60_000, 60_000));
        assert_eq!(pause(None, now, true), LOOK_EVERY);
    }

    proptest! {
        // What runs is due, is an instant, and what is not made up for is not late.
        #[test]
        fn what_runs_is_due_and_no_more_than_once(
            nth in 1i64..1000, every in 1000i64..10_000_000, passed in 0i64..100_000_000, catches_up: bool,
        ) {
            let (next, now) = (nth * every, nth * every + passed);
            match decide(next, now, every, catches_up) {
                Due::Wait => prop_assert!(next > now),
                Due::Run(at) => {
                    prop_assert!(at.0 >= next && at.0 <= now && at.0 % every == 0);
                    prop_assert!(catches_up && at.0 == next
                        || Timestamp(now).since(at) <= LATE_MAX);
                }
                Due::Missed(at) => {
                    prop_assert!(!catches_up && at.0 == next);
                    let late = i64::try_from(LATE_MAX.as_millis()).unwrap();
                    // No instant lies within the grace.
                    prop_assert!(now / every * every < now - late);
                }
            }
        }
    }
}
