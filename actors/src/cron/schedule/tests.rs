//! What must hold of every schedule.

use proptest::prelude::*;

use super::*;

fn cron(expr: &str, zone: &str) -> Schedule {
    Schedule::Cron { expr: expr.into(), zone: Some(zone.into()), stagger_ms: Some(0) }
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<Instant>().unwrap().as_millisecond())
}

fn instants(expr: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone = zone_of(Some(zone), &TimeZone::UTC).unwrap();
    let found = next_instants(expr, &zone, at(from), count).unwrap();
    let text = |at: Timestamp| Instant::from_millisecond(at.0).unwrap().to_string();
    found.into_iter().map(text).collect()
}

#[test]
fn a_fixed_time_in_the_gap_runs_behind_it_and_a_repeated_one_once() {
    let spring = instants("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
    assert_eq!(spring, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    let autumn = instants("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
}

#[test]
fn an_hourly_job_runs_in_both_hours_of_a_repeated_one() {
    let autumn = instants("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 3);
    assert_eq!(autumn, ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"]);
}

#[test]
fn days_of_month_and_week_are_alternatives_unless_a_plus_asks_for_both() {
    let either = instants("0 0 13 * FRI", "UTC", "2026-02-01T00:00:00Z", 3);
    assert_eq!(either[0], "2026-02-06T00:00:00Z");
    let both = instants("0 0 13 * +FRI", "UTC", "2026-02-01T00:00:00Z", 2);
    assert_eq!(both, ["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z"]);
}

#[test]
fn dates_that_never_come_are_refused() {
    for expr in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 14W * +SUN"] {
        let refused = cron(expr, "UTC").check(at("2026-01-01T00:00:00Z"), &TimeZone::UTC);
        assert_eq!(refused, Err(ScheduleError::Never(expr.into())));
    }
    for expr in ["0 0 29 2 *", "0 0 31 2 MON", "0 0 L 2 *"] {
        assert_eq!(cron(expr, "UTC").check(at("2026-01-01T00:00:00Z"), &TimeZone::UTC), Ok(()));
    }
}

#[test]
fn what_can_not_be_read_says_why() {
    let now = at("2026-01-01T00:00:00Z");
    let check = |schedule: Schedule| schedule.check(now, &TimeZone::UTC).unwrap_err().to_string();
    assert!(check(cron("61 * * * *", "UTC")).contains("61"));
    assert!(check(cron("* * *", "UTC")).starts_with("\"* * *\" is no cron expression"));
    assert!(check(cron("* * * * *", "Mars/Base")).contains("Mars/Base"));
    let fast = Schedule::Every { every_ms: 999, anchor: now };
    assert_eq!(check(fast), "an interval of 999 ms is too short; the shortest is 1000 ms");
}

#[test]
fn top_of_hour_jobs_are_spread_and_the_others_are_not() {
    let staggered = |expr: &str, id: &str, stagger_ms| {
        let schedule = Schedule::Cron { expr: expr.into(), zone: Some("UTC".into()), stagger_ms };
        let after = at("2026-01-01T00:30:00Z");
        let next = schedule.next_after(after, id, &TimeZone::UTC).unwrap().unwrap();
        next.since(at("2026-01-01T01:00:00Z")).as_millis()
    };
    let moved: Vec<u128> = (0..50).map(|n| staggered("0 * * * *", &n.to_string(), None)).collect();
    assert!(moved.iter().all(|by| *by < 300_000), "{moved:?}");
    assert!(moved.iter().any(|by| *by < 100_000) && moved.iter().any(|by| *by > 200_000));
    assert_eq!(staggered("0 * * * *", "7", Some(0)), 0);
    assert_eq!(staggered("0 1 * * *", "7", None), 0);
    assert!(staggered("0 1 * * *", "7", Some(1000)) < 1000);
}

fn any_expression() -> impl Strategy<Value = String> {
    let field = |max: u32| {
        prop_oneof![
            Just("*".to_owned()),
            (0..=max).prop_map(|n| n.to_string()),
            (1..=max.max(2) / 2).prop_map(|n| format!("*/{n}")),
            (0..=max, 0..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        ]
    };
    (
        field(59),
        field(23),
        prop_oneof![Just("*".to_owned()), (1u32..=28).prop_map(|n| n.to_string())],
    )
        .prop_map(|(minute, hour, day)| format!("{minute} {hour} {day} * *"))
}

proptest! {
    // Strictly after, and nothing between: asking from anywhere before an instant finds it.
    #[test]
    fn the_next_instant_is_the_first_one_after(
        expr in any_expression(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        from in 1_767_225_600_000_i64..1_830_297_600_000,
        step in 0.0..1.0_f64,
        stagger_ms in 0u64..600_000,
    ) {
        let schedule =
            Schedule::Cron { expr, zone: Some(zone.into()), stagger_ms: Some(stagger_ms) };
        let next = |after: i64| {
            schedule.next_after(Timestamp(after), "job", &TimeZone::UTC).unwrap().unwrap()
        };
        let found = next(from);
        prop_assert!(found.0 > from);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let between = from + ((found.0 - 1 - from) as f64 * step) as i64;
        prop_assert_eq!(next(between), found);
        prop_assert_eq!(next(found.0 - 1), found);
        prop_assert!(next(found.0) > found);
    }

    #[test]
    fn a_row_keeps_its_anchor(every_ms in 1000u64..100_000_000, anchor in -10_i64.pow(13)..10_i64.pow(13), after in -10_i64.pow(13)..10_i64.pow(13)) {
        let row = Schedule::Every { every_ms, anchor: Timestamp(anchor) };
        let next = row.next_after(Timestamp(after), "", &TimeZone::UTC).unwrap().unwrap();
        prop_assert!(next.0 > after || next.0 == anchor);
        prop_assert_eq!((i128::from(next.0) - i128::from(anchor)) % i128::from(every_ms), 0);
        prop_assert!(next.0 == anchor || next.0 - i64::try_from(every_ms).unwrap() <= after);
    }

    #[test]
    fn any_text_is_answered(expr in ".{0,40}", after: i64) {
        let schedule = cron(&expr, "UTC");
        drop(schedule.next_after(Timestamp(after), "x", &TimeZone::UTC));
    }
}

proptest! {
    #[test]
    fn a_row_that_is_brought_back_has_its_instants_from_now_on(
        every_ms in 1_000u64..10_000_000, anchor in 0i64..100_000_000, changed in 0i64..100_000_000,
        now in 0i64..100_000_000,
    ) {
        let row = |anchor| Schedule::Every { every_ms, anchor: Timestamp(anchor) };
        let mut brought = row(anchor);
        brought.bring_back(Timestamp(changed), Timestamp(now));
        let next = |row: &Schedule, after| row.next_after(Timestamp(after), "", &TimeZone::UTC).unwrap().unwrap();
        // What was meant to begin later begins then.
        prop_assert_eq!(brought == row(anchor), anchor > changed || anchor <= now);
        prop_assert_eq!(next(&brought, anchor), next(&row(anchor), anchor));
        if brought != row(anchor) {
            let first = next(&brought, now);
            prop_assert!(first.since(Timestamp(now)).as_millis() <= u128::from(every_ms));
            prop_assert_eq!((first.0 - anchor) % i64::try_from(every_ms).unwrap(), 0);
        }
    }
}
