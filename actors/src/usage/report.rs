//! Usage for people: by day, session and model.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::day::Day;
use super::record::{DayUsage, SessionUsage, day_key, session_usage_key};
use super::tally::Tally;
use crate::store::{Store, StoreError};

/// What was used in a span of days.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// The days with any use, oldest first.
    pub days: Vec<DaySum>,
    /// The sessions among them, with everything they have used since they began.
    pub sessions: Vec<SessionSum>,
    /// Everything of these days together.
    #[serde(serialize_with = "shown")]
    pub total: Tally,
}

/// One session, since it began.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSum {
    /// The session.
    pub session: String,
    /// Its agent.
    pub agent: String,
    /// The sum.
    #[serde(flatten, serialize_with = "shown")]
    pub tally: Tally,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DaySum {
    /// The date in UTC, as in `2026-01-31`.
    pub date: String,
    /// The day together.
    #[serde(serialize_with = "shown")]
    pub total: Tally,
    /// Its parts.
    pub lines: Vec<Line>,
}

/// One session's use of one model in one day.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The session.
    pub session: String,
    /// Its agent.
    pub agent: String,
    /// The model, as `provider/model`.
    pub model: String,
    /// The sum.
    #[serde(flatten, serialize_with = "shown")]
    pub tally: Tally,
}

/// What was used in the `days` up to and with the day `last`.
///
/// # Errors
/// What the store says.
pub fn report(store: &Store, last: Day, days: u64) -> Result<UsageReport, StoreError> {
    let first = last.minus(days.saturating_sub(1));
    let mut report =
        UsageReport { days: Vec::new(), sessions: Vec::new(), total: Tally::default() };
    let mut sessions = BTreeMap::new();
    for day in (first.0..=last.0).map(Day) {
        let records: Vec<(_, DayUsage)> = store.scan(&day_key(day))?;
        if records.is_empty() {
            continue;
        }
        let mut sum = DaySum { date: day.to_string(), total: Tally::default(), lines: Vec::new() };
        for (_, record) in records {
            sum.total = sum.total.plus(record.tally);
            sum.lines.push(Line {
                session: record.session.as_str().to_owned(),
                agent: record.agent.clone(),
                model: record.model,
                tally: record.tally,
            });
            sessions.insert(record.session, record.agent);
        }
        report.total = report.total.plus(sum.total);
        report.days.push(sum);
    }
    for (session, agent) in sessions {
        let usage: SessionUsage = store.get(&session_usage_key(&session))?.unwrap_or_default();
        let session = session.as_str().to_owned();
        report.sessions.push(SessionSum { session, agent, tally: usage.total });
    }
    Ok(report)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    calls: u64,
    unreported: u64,
    unpriced: u64,
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cost_usd: f64,
}

fn shown<S: Serializer>(tally: &Tally, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = Shown {
        calls: tally.calls,
        unreported: tally.unreported,
        unpriced: tally.unpriced,
        input_tokens: tally.input,
        output_tokens: tally.output,
        total_tokens: tally.tokens(),
        cost_usd: tally.dollars(),
    };
    shown.serialize(serializer)
}
