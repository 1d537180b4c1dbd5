//! When a job is due: pure, from its schedule and a moment.
//!
//! Cron expressions have five fields, or six with seconds in front, or seven with a year behind;
//! `L`, `W`, `#`, names and `@daily` are understood. Day of month and day of week are alternatives
//! where both are restricted; a `+` before the day of week asks for both.
//!
//! Daylight saving: a job at a fixed time runs once a day. A time that a spring change leaves out
//! runs at the first moment behind the gap, and one that an autumn change repeats runs the first
//! time. A job with several hours, minutes or seconds goes by the clock on the wall: it has no
//! instants in a gap and runs in both hours of a repeated one. (This is what croner 11 does in
//! JavaScript; croner 10 differed.)

use std::time::Duration;

use croner::parser::CronParser;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Shortest interval: a job that runs more often is a loop, not a schedule.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// Longest interval: whoever writes more has mistyped.
pub const EVERY_MAX: Duration = Duration::from_hours(24 * 366);
/// Longest expression, in bytes.
const EXPRESSION_MAX: usize = 512;
/// How far ahead an expression must have an instant: leap days on one weekday are 40 years apart.
const YEARS_AHEAD_MAX: i64 = 100;
/// Top-of-hour jobs are spread over this much, so that they do not all wake at once.
const STAGGER_DEFAULT: Duration = Duration::from_mins(5);

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Once.
    At(Timestamp),
    /// Again and again, counted from an anchor.
    Every {
        /// The interval in milliseconds.
        every_ms: u64,
        /// An instant of the row.
        anchor: Timestamp,
    },
    /// By an expression.
    Cron {
        /// The expression.
        expr: String,
        /// The zone; the machine's own if absent.
        zone: Option<String>,
        /// The width over which the job is moved, in milliseconds; by the expression if absent.
        stagger_ms: Option<u64>,
    },
}

/// Why a schedule can't be used, or has no next instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not an expression.
    #[error("{expr:?} is no cron expression: {reason}")]
    Expression {
        /// As it was written.
        expr: String,
        /// What is wrong.
        reason: String,
    },
    /// No such zone.
    #[error("{0:?} is no time zone; use a name such as Europe/Berlin")]
    Zone(String),
    /// Too short.
    #[error("an interval of {0} ms is too short; the shortest is 1000 ms")]
    Interval(u64),
    /// Too long.
    #[error("an interval of {0} ms is too long; the longest is 366 days")]
    LongInterval(u64),
    /// It never happens.
    #[error("{0:?} never comes: there is no such date")]
    Never(String),
    /// Beyond what calendars reach.
    #[error("{0} ms is no moment of our calendar")]
    Moment(i64),
}

impl Schedule {
    /// The first instant strictly after `after`; none if there is no more. `id` moves a staggered job,
    /// `host` is the zone of a job that names none.
    ///
    /// # Errors
    /// A schedule that can't be read.
    pub fn next_after(
        &self,
        after: Timestamp,
        id: &str,
        host: &TimeZone,
    ) -> Result<Option<Timestamp>, ScheduleError> {
        match self {
            Self::At(at) => Ok((*at > after).then_some(*at)),
            Self::Every { every_ms, anchor } => next_of_row(*every_ms, *anchor, after).map(Some),
            Self::Cron { expr, zone, .. } => {
                let zone = zone_of(zone.as_deref(), host)?;
                let moved = self.moved_by(id);
                let next = next_of_expression(expr, &zone, after.minus(moved))?;
                Ok(next.map(|next| next.plus(moved)))
            }
        }
    }

    /// The moment from which a new job looks for its first instant: the current second still counts
    /// for an expression.
    pub fn from(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(_) => Timestamp(i64::MIN),
            Self::Every { .. } => now,
            Self::Cron { .. } => Timestamp(now.0 - now.0.rem_euclid(1000) - 1),
        }
    }

    /// Moves the anchor of a row that was not ahead when its job was changed, at `changed_at`, and is
    /// ahead of `now`: the clock was, and not the person. The row has the same instants, and earlier
    /// ones.
    pub fn bring_back(&mut self, changed_at: Timestamp, now: Timestamp) {
        let Self::Every { every_ms, anchor } = self else { return };
        let every = i64::try_from(*every_ms).unwrap_or(i64::MAX).max(1);
        if *anchor <= changed_at && *anchor > now {
            let ahead = anchor.0.saturating_sub(now.0);
            let rows = (ahead / every).saturating_add(1);
            *anchor = Timestamp(anchor.0.saturating_sub(rows.saturating_mul(every)));
        }
    }

    /// Whether it is one that can be used: it can be read, and something comes of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, now: Timestamp, host: &TimeZone) -> Result<(), ScheduleError> {
        match self {
            Self::Every { every_ms, .. } if u128::from(*every_ms) > EVERY_MAX.as_millis() => {
                return Err(ScheduleError::LongInterval(*every_ms));
            }
            Self::At(at) if Instant::from_millisecond(at.0).is_err() => {
                return Err(ScheduleError::Moment(at.0));
            }
            _ => {}
        }
        if let (Self::Cron { expr, .. }, None) = (self, self.next_after(self.from(now), "", host)?)
        {
            return Err(ScheduleError::Never(expr.clone()));
        }
        Ok(())
    }

    /// Whether it happens once.
    pub fn is_once(&self) -> bool {
        matches!(self, Self::At(_))
    }

    /// The width over which jobs of it are spread, in milliseconds; none where they are not.
    pub fn spread_over(&self) -> Option<u64> {
        let Self::Cron { expr, stagger_ms, .. } = self else { return None };
        let by_expression = || is_top_of_hour(expr).then(|| STAGGER_DEFAULT.as_secs() * 1000);
        stagger_ms.or_else(by_expression).filter(|width| *width > 0)
    }

    /// How far a job is moved behind its expression: the same for the same id, less than the width.
    fn moved_by(&self, id: &str) -> Duration {
        self.spread_over().map_or(Duration::ZERO, |width| Duration::from_millis(spread(id) % width))
    }
}

/// The first instants after a moment, of an expression alone: what `telson cron next` prints.
///
/// # Errors
/// An expression that can't be read.
pub fn next_instants(
    expr: &str,
    zone: &TimeZone,
    after: Timestamp,
    count: usize,
) -> Result<Vec<Timestamp>, ScheduleError> {
    let mut instants = Vec::new();
    let mut from = after;
    while instants.len() < count
        && let Some(next) = next_of_expression(expr, zone, from)?
    {
        instants.push(next);
        from = next;
    }
    Ok(instants)
}

/// The zone of a name.
///
/// # Errors
/// There is none of that name.
pub fn zone_of(name: Option<&str>, host: &TimeZone) -> Result<TimeZone, ScheduleError> {
    match name {
        None => Ok(host.clone()),
        Some(name) => TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned())),
    }
}

fn next_of_row(
    every_ms: u64,
    anchor: Timestamp,
    after: Timestamp,
) -> Result<Timestamp, ScheduleError> {
    if u128::from(every_ms) < EVERY_MIN.as_millis() {
        return Err(ScheduleError::Interval(every_ms));
    }
    if after < anchor {
        return Ok(anchor);
    }
    let (every, passed) = (i128::from(every_ms), i128::from(after.0) - i128::from(anchor.0));
    let next = i128::from(anchor.0) + (passed / every + 1) * every;
    i64::try_from(next).map(Timestamp).map_err(|_| ScheduleError::Moment(i64::MAX))
}

fn next_of_expression(
    expr: &str,
    zone: &TimeZone,
    after: Timestamp,
) -> Result<Option<Timestamp>, ScheduleError> {
    let wrong = |reason: String| ScheduleError::Expression { expr: expr.to_owned(), reason };
    if expr.len() > EXPRESSION_MAX {
        return Err(wrong(format!("it is longer than {EXPRESSION_MAX} characters")));
    }
    let cron = CronParser::builder()
        .build()
        .parse(expr)
        .map_err(|error| wrong(lowercase_first(&error.to_string())))?;
    if !has_date(&cron) {
        return Ok(None);
    }
    let second = after.0.div_euclid(1000);
    let start = Instant::from_second(second).map_err(|_| ScheduleError::Moment(after.0))?;
    let start = Zoned::new(start, zone.clone());
    match cron.find_next_occurrence(&start, false) {
        Ok(next) => {
            let years = i64::from(next.year()) - i64::from(start.year());
            let next = next.timestamp().as_second().saturating_mul(1000);
            Ok((years <= YEARS_AHEAD_MAX).then_some(Timestamp(next)))
        }
        // Beyond the last year it allows, or the last one that calendars have.
        Err(_) => Ok(None),
    }
}

/// Whether any day of any year fits: a search for the 31st of February would go through all years.
fn has_date(cron: &croner::Cron) -> bool {
    let days = &cron.pattern.days;
    let restricted_by_weekday = !cron.pattern.is_dow_wildcard();
    let both = cron.pattern.matches_dom_and_dow();
    if cron.pattern.is_dom_wildcard() || days.has_modifiers() || (restricted_by_weekday && !both) {
        return true;
    }
    let longest = |month: u16| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let first = days.values().first().copied().unwrap_or(1);
    cron.pattern.months.values().into_iter().any(|month| first <= longest(month))
}

/// At minute zero of every hour, or of hours in steps.
fn is_top_of_hour(expr: &str) -> bool {
    let fields: Vec<&str> = expr.split_whitespace().collect();
    match fields.as_slice() {
        ["0", hour, _, _, _] | ["0", "0", hour, _, _, _] => hour.contains('*'),
        _ => false,
    }
}

/// A number of an id (FNV-1a), for spreading jobs evenly and always in the same way.
fn spread(id: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    // The low bits of FNV mix poorly for short ids.
    hash ^ (hash >> 32)
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
