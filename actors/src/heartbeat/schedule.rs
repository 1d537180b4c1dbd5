//! When an agent's next heartbeat is due: every so often, counted from the last.

use std::time::Duration;

use super::hours::ActiveHours;
use crate::clock::Timestamp;

/// Points looked at for one inside the active hours, before their opening is taken instead: a
/// heartbeat every day at an hour that is never active would otherwise never come.
const POINTS_MAX: u32 = 1_000;

/// The next heartbeat of an agent for which `due` was reckoned, if it was. A clock that was set back
/// makes nobody wait longer than one interval.
pub fn first_due(due: Option<Timestamp>, every: Duration, now: Timestamp) -> Timestamp {
    let latest = now.plus(every);
    due.map_or(latest, |due| due.min(latest))
}

/// The one behind `due`, which has come: the next point of the row that lies in the future. However
/// many were missed, `due` stood for all of them. Outside the active hours it is the next point
/// inside them, or their opening where there is none soon.
pub fn after(
    due: Timestamp,
    every: Duration,
    hours: Option<&ActiveHours>,
    now: Timestamp,
) -> Timestamp {
    let step = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let missed = now.0.saturating_sub(due.0).max(0) / step;
    let next = Timestamp(due.0.saturating_add(missed.saturating_add(1).saturating_mul(step)));
    // A due point in the future was an order: the row goes on from now.
    let next = next.min(now.plus(every));
    let Some(hours) = hours.filter(|hours| !hours.contains(next)) else { return next };
    let points = (0..POINTS_MAX).map(|point| next.plus(every.saturating_mul(point)));
    let point = points.into_iter().find(|point| hours.contains(*point));
    point.or_else(|| hours.next_open(next)).unwrap_or(next)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn ms(duration: u64) -> Duration {
        Duration::from_millis(duration)
    }

    proptest! {
        #[test]
        fn the_next_point_is_in_the_future_in_the_row_and_near(
            due in 0i64..10_000, every in 1u64..500, late in 0i64..10_000,
        ) {
            let (due, now) = (Timestamp(due), Timestamp(due + late));
            let next = after(due, ms(every), None, now);
            prop_assert!(next > now);
            prop_assert!(next.since(now) <= ms(every));
            prop_assert_eq!((next.0 - due.0) % i64::try_from(every).unwrap(), 0);
        }

        #[test]
        fn a_clock_that_was_set_makes_nobody_wait_longer_than_once(
            known in prop::option::of(0i64..100_000), every in 1u64..500, now in 0i64..100_000,
        ) {
            let due = first_due(known.map(Timestamp), ms(every), Timestamp(now));
            prop_assert!(due <= Timestamp(now).plus(ms(every)));
            prop_assert!(known.is_none_or(|known| due.0 <= known));
        }

        #[test]
        fn with_active_hours_it_lies_inside_them(every_min in 1u64..3_000, from in 0i64..1_000_000) {
            let hours = ActiveHours::new("09:00", "09:30", TimeZone::UTC).unwrap();
            let now = Timestamp(from * 60_000);
            let next = after(now, Duration::from_mins(every_min), Some(&hours), now);
            prop_assert!(hours.contains(next) && next > now);
        }
    }

    #[test]
    fn what_was_missed_comes_once() {
        let due = after(Timestamp(0), ms(1_000), None, Timestamp(50 * HOUR + 300));
        assert_eq!(due, Timestamp(50 * HOUR + 1_000));
    }

    #[test]
    fn a_row_that_never_meets_the_active_hours_begins_with_them() {
        let hours = ActiveHours::new("09:00", "17:00", TimeZone::UTC).unwrap();
        let due = Timestamp(3 * HOUR);
        let next = after(due, Duration::from_hours(24), Some(&hours), due);
        assert_eq!(next, Timestamp((24 + 9) * HOUR));
    }

    #[test]
    fn without_any_active_hour_it_keeps_its_row() {
        let hours = ActiveHours::new("09:00", "09:00", TimeZone::UTC).unwrap();
        assert_eq!(after(Timestamp(0), ms(1_000), Some(&hours), Timestamp(0)), Timestamp(1_000));
    }
}
