//! What an agent is told when a job wakes it (pure).

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// Said to every agent nobody talks to.
const ALONE: &str = "\
This run was scheduled, and nobody is there to answer questions or agree to anything: do what you \
can with what you have. What you answer last is delivered as it is, so answer with the result, not \
with a plan. If there is nothing to do or to say, answer exactly NO_REPLY. If something failed, say \
what, and what you have tried; the scheduler repeats what can be repeated. Where the job itself says \
otherwise, the job counts.";

/// The message of an isolated run.
pub(super) fn of_turn(
    id: &str,
    name: &str,
    message: &str,
    at: Timestamp,
    now: Timestamp,
    zone: &TimeZone,
) -> String {
    let known = Instant::from_millisecond(now.0).unwrap_or_default();
    let there = known.to_zoned(zone.clone());
    let (there, here) = (there.strftime("%A, %Y-%m-%d %H:%M %Z"), known.strftime("%Y-%m-%d %H:%M"));
    format!(
        "[cron:{id} {name}] {message}\nCurrent time: {there}\nReference UTC: {here} UTC\nScheduled for: {}\n\n{ALONE}",
        super::words::moment(at)
    )
}

/// The line of an event for a main session.
pub(super) fn of_event(text: &str, now: Timestamp, zone: &TimeZone) -> String {
    let known = Instant::from_millisecond(now.0).unwrap_or_default();
    let there = known.to_zoned(zone.clone());
    format!("System: [{}] {}", there.strftime("%H:%M:%S"), text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_by_the_clock_on_the_wall() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = Timestamp(1_795_219_318_591);
        let text = of_turn("7", "w1", "do it", Timestamp(now.0 - 591), now, &zone);
        assert!(text.starts_with(
            "[cron:7 w1] do it\nCurrent time: Saturday, 2026-11-21 01:01 CET\n\
             Reference UTC: 2026-11-21 00:01 UTC\nScheduled for: 2026-11-21T00:01:58Z\n\n"
        ));
        assert_eq!(of_event(" tea ", now, &zone), "System: [01:01:58] tea");
    }
}
