//! `agents.*.heartbeat` and `channels.*.heartbeatVisibility`: when agents look by themselves whether
//! something needs attention, and what is shown of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// When an agent wakes by itself, and whom it tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Heartbeat {
    /// How often, such as `30m` or `1h30m`; `0m` for never. Default: 30m.
    pub every: Option<String>,
    /// The hours in which it may. Default: always.
    pub active_hours: Option<ActiveHours>,
    /// Whom it tells: `owner`, `last` (who was answered last), `none`, or a channel's name.
    /// Default: owner.
    pub target: Option<String>,
    /// Whom exactly, in the channel's own words. Default: the owner there.
    pub to: Option<String>,
    /// On which account. Default: the one of the person.
    pub account_id: Option<String>,
    /// The model it asks, as `provider/model` or an alias. Default: the session's.
    pub model: Option<String>,
    /// In which session: `main`, `global`, or a session's key. Default: main.
    pub session: Option<String>,
    /// What it is asked. Default: to do what HEARTBEAT.md says.
    pub prompt: Option<String>,
    /// Characters it may say beside `HEARTBEAT_OK` without being heard. Default: 300.
    pub ack_max_chars: Option<u32>,
    /// Whether it is asked without the other files of its workspace. Default: false.
    pub light_context: Option<bool>,
    /// Whether it is asked as if nothing had been said before. Default: false.
    pub isolated_session: Option<bool>,
    /// Whether it may write to people directly. Default: allow.
    pub direct_policy: Option<DirectPolicy>,
}

/// The hours of a day, from `start` up to `end`; an end before the start wraps around midnight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ActiveHours {
    /// `HH:MM`. Default: 00:00.
    pub start: Option<String>,
    /// `HH:MM`, up to `24:00`. The same as the start: never. Default: 24:00.
    pub end: Option<String>,
    /// The time zone, such as `Europe/Berlin`; `user` for `agents.defaults.userTimezone`, `local` for
    /// the machine's. Default: user.
    pub timezone: Option<String>,
}

/// Whether heartbeats may write to people directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DirectPolicy {
    /// They may.
    Allow,
    /// They may not.
    Block,
}

/// What is shown of heartbeats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HeartbeatVisibility {
    /// Whether it is told that nothing needs attention. Default: false.
    pub show_ok: Option<bool>,
    /// Whether it is told what needs attention. Default: true.
    pub show_alerts: Option<bool>,
    /// Whether status events carry an indicator. Default: true.
    pub use_indicator: Option<bool>,
}

impl Heartbeat {
    /// These settings, and those of `shared` where nothing is said.
    #[must_use]
    pub fn or(self, shared: &Self) -> Self {
        let shared = shared.clone();
        Self {
            every: self.every.or(shared.every),
            active_hours: self.active_hours.or(shared.active_hours),
            target: self.target.or(shared.target),
            to: self.to.or(shared.to),
            account_id: self.account_id.or(shared.account_id),
            model: self.model.or(shared.model),
            session: self.session.or(shared.session),
            prompt: self.prompt.or(shared.prompt),
            ack_max_chars: self.ack_max_chars.or(shared.ack_max_chars),
            light_context: self.light_context.or(shared.light_context),
            isolated_session: self.isolated_session.or(shared.isolated_session),
            direct_policy: self.direct_policy.or(shared.direct_policy),
        }
    }
}

/// Longest pause between two heartbeats: whoever writes more has mistyped.
const EVERY_MAX: Duration = Duration::from_hours(24 * 366);
/// Shortest one, unless it is never.
const EVERY_MIN: Duration = Duration::from_secs(10);

/// Reads a pause such as `30m`, `1h30m` or `45s`; a bare number counts minutes.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn pause(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no pause; write one such as \"30m\", \"1h30m\" or \"0m\"");
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (mut rest, mut sum) = (compact.as_str(), Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds: u64 = match unit {
            "s" => 1,
            "m" | "" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)?;
        sum = sum.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    if compact.is_empty() {
        return Err(wrong());
    }
    if !sum.is_zero() && !(EVERY_MIN..=EVERY_MAX).contains(&sum) {
        return Err(format!("{text:?} must be 0 for never, or from 10s to 366d"));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("30m", 1_800),
            ("1h30m", 5_400),
            ("1 h 30 m", 5_400),
            ("45s", 45),
            ("0m", 0),
            ("5", 300),
            ("1d", 86_400),
        ] {
            assert_eq!(pause(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "-5m", "1.5h", "30 minutes", "1s", "400d", "99999999999999999999d"] {
            assert!(pause(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "[0-9smhd. ]{0,12}") {
            if let Ok(read) = pause(&text) {
                prop_assert!(read.is_zero() || (EVERY_MIN..=EVERY_MAX).contains(&read));
            }
        }
    }
}
