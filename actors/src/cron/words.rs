//! Schedules in words (pure).

use std::str::FromStr;

use croner::Cron;

use super::schedule::Schedule;
use crate::clock::Timestamp;

/// A schedule as a person would say it; the expression itself where it can't be read.
pub fn in_words(schedule: &Schedule) -> String {
    match schedule {
        Schedule::At(at) => format!("once, at {}", moment(*at)),
        Schedule::Every { every_ms, .. } => format!("every {}", interval(*every_ms)),
        Schedule::Cron { expr, zone, .. } => {
            let zone = zone.as_ref().map_or_else(String::new, |zone| format!(" ({zone})"));
            let later = schedule.spread_over().map_or_else(String::new, later);
            format!("{}{zone}{later}", expression(expr))
        }
    }
}

/// What is said of a job that is moved over so many milliseconds.
fn later(width: u64) -> String {
    let width = interval(width);
    let one = if width.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1 " };
    format!(", up to {one}{width} later so that jobs do not come together")
}

/// An expression as a person would say it.
pub fn expression(expr: &str) -> String {
    let Ok(cron) = Cron::from_str(expr) else { return expr.to_owned() };
    let said = cron.describe();
    let said = said.trim_end_matches('.');
    let said = said.strip_prefix("At ").filter(|rest| rest.starts_with("every")).unwrap_or(said);
    let mut chars = said.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// `90 minutes`, `2 hours`, `36 hours`: in the largest unit that says it exactly.
fn interval(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")];
    let fits = UNITS.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) if millis == unit => name.to_owned(),
        Some((unit, name)) => format!("{} {name}s", millis / unit),
        None => format!("{millis} ms"),
    }
}

/// `2026-03-01T12:00:00Z`.
pub fn moment(at: Timestamp) -> String {
    let known = jiff::Timestamp::from_millisecond(at.0);
    known.map_or_else(|_| format!("{} ms", at.0), |known| known.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_said_in_words() {
        let cron = |expr: &str, zone: Option<&str>| Schedule::Cron {
            expr: expr.into(),
            zone: zone.map(str::to_owned),
            stagger_ms: None,
        };
        let moved = |expr: &str, width| Schedule::Cron {
            expr: expr.into(),
            zone: None,
            stagger_ms: Some(width),
        };
        let every = |every_ms| Schedule::Every { every_ms, anchor: Timestamp(0) };
        for (schedule, words) in [
            (cron("0 3 * * *", Some("Europe/Berlin")), "at 03:00 (Europe/Berlin)"),
            (cron("*/5 * * * *", None), "every 5 minutes"),
            (
                cron("0 * * * *", Some("UTC")),
                "at minute 0 past every hour (UTC), up to 5 minutes later so that jobs do not come \
                 together",
            ),
            (
                moved("0 3 * * *", 60_000),
                "at 03:00, up to 1 minute later so that jobs do not come together",
            ),
            (moved("0 * * * *", 0), "at minute 0 past every hour"),
            (every(60_000), "every minute"),
            (every(5_400_000), "every 90 minutes"),
            (every(172_800_000), "every 2 days"),
            (every(1500), "every 1500 ms"),
            (Schedule::At(Timestamp(0)), "once, at 1970-01-01T00:00:00Z"),
            (cron("nonsense", None), "nonsense"),
        ] {
            assert_eq!(in_words(&schedule), words);
        }
    }
}
