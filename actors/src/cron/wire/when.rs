//! When a job comes, as JSON, and the moments and durations people write.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Read, check_keys, number, object, text};
use crate::clock::Timestamp;
use crate::cron::schedule::{Schedule, zone_of};

/// Reads when it comes. An anchor that is not given is `now`.
pub(super) fn read_schedule(value: &Value, now: Timestamp) -> Read<Schedule> {
    let schedule = object(value, "schedule")?;
    let kind = schedule.get("kind").and_then(Value::as_str);
    let kind = kind.or_else(|| {
        [("at", "at"), ("atMs", "at"), ("everyMs", "every"), ("expr", "cron")]
            .into_iter()
            .find_map(|(key, kind)| schedule.contains_key(key).then_some(kind))
    });
    match kind {
        Some("at") => {
            check_keys(schedule, "schedule", &[&["kind", "at", "atMs", "tz"]])?;
            let at = schedule.get("at").or_else(|| schedule.get("atMs"));
            let zone = text(schedule, "tz", "schedule.tz")?.filter(|zone| !zone.trim().is_empty());
            let at = at.ok_or("schedule.at is missing")?;
            read_moment(at, zone.as_deref(), now).map(Schedule::At)
        }
        Some("every") => {
            check_keys(schedule, "schedule", &[&["kind", "everyMs", "anchorMs"]])?;
            let every_ms = number(schedule, "everyMs", "schedule.everyMs")?
                .ok_or("schedule.everyMs is missing")?;
            let anchor = match schedule.get("anchorMs") {
                None | Some(Value::Null) => now,
                Some(anchor) => {
                    Timestamp(anchor.as_i64().ok_or("schedule.anchorMs must be a whole number")?)
                }
            };
            Ok(Schedule::Every { every_ms, anchor })
        }
        Some("cron") => {
            check_keys(schedule, "schedule", &[&["kind", "expr", "cron", "tz", "staggerMs"]])?;
            let expr = text(schedule, "expr", "schedule.expr")?
                .or(text(schedule, "cron", "schedule.cron")?)
                .ok_or("schedule.expr is missing")?;
            Ok(Schedule::Cron {
                expr: expr.trim().to_owned(),
                zone: text(schedule, "tz", "schedule.tz")?.filter(|zone| !zone.trim().is_empty()),
                stagger_ms: number(schedule, "staggerMs", "schedule.staggerMs")?,
            })
        }
        Some(other) => Err(format!("schedule.kind {other:?} is not supported: at, every or cron")),
        None => Err("schedule.kind is missing: at, every or cron".into()),
    }
}

/// `2026-03-01T08:00:00+01:00`, `20m` from now, milliseconds, or a time on the wall of a zone; of UTC
/// where none is named.
fn read_moment(value: &Value, zone: Option<&str>, now: Timestamp) -> Read<Timestamp> {
    if let Some(millis) = value.as_i64() {
        return Ok(Timestamp(millis));
    }
    let wrong = || format!("schedule.at {value} is no moment, such as 2026-03-01T08:00:00Z or 20m");
    match value.as_str().and_then(read_when).ok_or_else(wrong)? {
        When::From(millis) => Ok(now.plus(std::time::Duration::from_millis(millis))),
        When::At(at) => Ok(at),
        When::Wall(wall) => {
            let zone =
                zone_of(zone, &TimeZone::UTC).map_err(|error| format!("schedule.tz: {error}"))?;
            on_the_wall(wall, &zone).ok_or_else(wrong)
        }
    }
}

/// The moment of a schedule, where it is one that counts from now.
pub(super) fn relative(schedule: &Value) -> Option<&str> {
    let at = schedule.get("at").or_else(|| schedule.get("atMs"))?.as_str()?;
    read_duration(at.trim()).map(|_| at)
}

/// A moment as a person has written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many milliseconds from now.
    From(u64),
    /// This one.
    At(Timestamp),
    /// When a clock on a wall says so, of a zone that is named elsewhere.
    Wall(DateTime),
}

/// Reads a moment: `20m`, `2026-03-01T08:00:00+01:00`, `2026-03-01 08:00` or `2026-03-01`.
pub fn read_when(text: &str) -> Option<When> {
    let text = text.trim();
    if let Some(millis) = read_duration(text) {
        return Some(When::From(millis));
    }
    if let Ok(known) = text.parse::<jiff::Timestamp>() {
        return Some(When::At(Timestamp(known.as_millisecond())));
    }
    let wall = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    wall.ok().map(When::Wall)
}

/// When the clocks of a zone say this: the first time if twice, and if never, as much behind the gap
/// as it would be in it.
pub fn on_the_wall(wall: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = zone.to_zoned(wall).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

/// `90s`, `20m`, `2h`, `1d`, `500ms` and sums such as `1h30m`, in milliseconds.
pub fn read_duration(text: &str) -> Option<u64> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (mut rest, mut sum) = (compact.as_str(), None);
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(unit)?;
        sum = Some(sum.unwrap_or(0u64).checked_add(part)?);
        rest = tail;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("1h30m", Some(5_400_000)),
            ("1d 2h", Some(93_600_000)),
            ("30", None),
            ("", None),
            ("1h30", None),
            ("h", None),
            ("1.5h", None),
            ("30 minutes", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(read_duration(text), millis, "{text:?}");
        }
    }

    #[test]
    fn a_moment_is_of_the_zone_that_is_named() {
        let read = |value: Value| read_schedule(&value, Timestamp(0));
        let at = |moment: &str| {
            let known: jiff::Timestamp = moment.parse().unwrap();
            Ok(Schedule::At(Timestamp(known.as_millisecond())))
        };
        let wall = "2027-01-01 08:00";
        let berlin = serde_json::json!({"kind": "at", "at": wall, "tz": "Europe/Berlin"});
        assert_eq!(read(berlin), at("2027-01-01T07:00:00Z"));
        assert_eq!(read(serde_json::json!({"at": wall})), at("2027-01-01T08:00:00Z"));
        // What it says itself counts.
        let both = serde_json::json!({"at": "2027-01-01T08:00:00-05:00", "tz": "Europe/Berlin"});
        assert_eq!(read(both), at("2027-01-01T13:00:00Z"));
        let nowhere = read(serde_json::json!({"at": wall, "tz": "Mars/Base"}));
        assert!(nowhere.unwrap_err().starts_with("schedule.tz: \"Mars/Base\" is no time zone"));
    }
}
