//! When a job comes, as JSON, and the moments and durations people write.

use serde_json::Value;

use super::{Read, check_keys, number, object, text};
use crate::clock::Timestamp;
use crate::cron::schedule::Schedule;

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
            check_keys(schedule, "schedule", &[&["kind", "at", "atMs"]])?;
            let at = schedule.get("at").or_else(|| schedule.get("atMs"));
            read_moment(at.ok_or("schedule.at is missing")?, now).map(Schedule::At)
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

/// `2026-03-01T08:00:00+01:00`, the same without a zone (then UTC), `20m` from now, or milliseconds.
fn read_moment(value: &Value, now: Timestamp) -> Read<Timestamp> {
    if let Some(millis) = value.as_i64() {
        return Ok(Timestamp(millis));
    }
    let wrong = || format!("schedule.at {value} is no moment, such as 2026-03-01T08:00:00Z or 20m");
    let text = value.as_str().ok_or_else(wrong)?.trim();
    if let Some(millis) = read_duration(text) {
        return Ok(now.plus(std::time::Duration::from_millis(millis)));
    }
    if let Ok(known) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(known.as_millisecond()));
    }
    let civil = text
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    let zoned = civil.and_then(|civil| jiff::tz::TimeZone::UTC.to_zoned(civil));
    zoned.map(|zoned| Timestamp(zoned.timestamp().as_millisecond())).map_err(|_| wrong())
}

/// The moment of a schedule, where it is one that counts from now.
pub(super) fn relative(schedule: &Value) -> Option<&str> {
    let at = schedule.get("at").or_else(|| schedule.get("atMs"))?.as_str()?;
    read_duration(at.trim()).map(|_| at)
}

/// `90s`, `20m`, `2h`, `1d`, `500ms` in milliseconds.
pub fn read_duration(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
