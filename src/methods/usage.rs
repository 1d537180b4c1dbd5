//! What models have used and cost: as clients of the gateway protocol know it, and line by line.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::usage::{Tally, UsageReport};

use super::params::{Text, read};
use super::{Call, ErrorBody, Method, Scope, to_value};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "usage.cost",
        scope: Scope::Read,
        about: "what models have used and cost, by day",
        run: |call| Box::pin(cost(call)),
    },
    Method {
        name: "telson.usage",
        scope: Scope::Read,
        about: "the same by day, session and model",
        run: |call| Box::pin(lines(call)),
    },
];

/// Days that are told where nobody says otherwise, and at most.
const DAYS: i64 = 30;
const DAYS_MAX: i64 = 366;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineParams {
    days: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CostParams {
    start_date: Option<String>,
    end_date: Option<String>,
    days: Option<i64>,
    #[expect(dead_code, reason = "days are those of UTC")]
    mode: Option<String>,
    #[expect(dead_code, reason = "days are those of UTC")]
    utc_offset: Option<String>,
    #[expect(dead_code, reason = "days are those of UTC")]
    time_zone: Option<Text>,
    agent_id: Option<Text>,
    #[expect(dead_code, reason = "without an agent all are meant")]
    agent_scope: Option<String>,
}

/// Days of UTC, both told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: Date,
    last: Date,
}

async fn lines(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let LineParams { days } = read("telson.usage", params)?;
    let days = checked("telson.usage", days)?.unwrap_or(DAYS);
    to_value(engine.usage(days.unsigned_abs()).await.map_err(ErrorBody::internal)?)
}

async fn cost(call: Call) -> Result<Value, ErrorBody> {
    let params: CostParams = read("usage.cost", call.params.clone())?;
    let now = call.engine.clock().now().0;
    let today = jiff::Timestamp::from_millisecond(now).map_err(ErrorBody::internal)?;
    let span = span(&params, today.to_zoned(jiff::tz::TimeZone::UTC).date())?;
    let report = call.engine.usage(DAYS_MAX.unsigned_abs()).await.map_err(ErrorBody::internal)?;
    let agent = params.agent_id.as_ref().map(Text::as_str);
    Ok(shown(&report, span, agent, now))
}

fn checked(method: &str, days: Option<i64>) -> Result<Option<i64>, ErrorBody> {
    match days {
        Some(days) if !(1..=DAYS_MAX).contains(&days) => Err(ErrorBody::invalid(format!(
            "invalid {method} params: at days: a whole number from 1 to {DAYS_MAX} is wanted"
        ))),
        days => Ok(days),
    }
}

fn span(params: &CostParams, today: Date) -> Result<Span, ErrorBody> {
    let wrong = |why: String| ErrorBody::invalid(format!("invalid usage.cost params: at {why}"));
    let date = |name: &str, text: &Option<String>| {
        let date = text.as_deref().map(str::parse::<Date>).transpose();
        date.map_err(|_| wrong(format!("{name}: a date such as 2026-01-31 is wanted")))
    };
    let last = date("endDate", &params.end_date)?.unwrap_or(today);
    let days = checked("usage.cost", params.days)?.unwrap_or(DAYS);
    let back = |from: Date, days: i64| from.saturating_sub(jiff::Span::new().days(days));
    let first = date("startDate", &params.start_date)?.unwrap_or_else(|| back(last, days - 1));
    if first > last {
        return Err(wrong("endDate: it lies before startDate".into()));
    }
    if first < back(last, DAYS_MAX - 1) {
        return Err(wrong(format!("startDate: at most {DAYS_MAX} days are told at once")));
    }
    Ok(Span { first, last })
}

fn shown(report: &UsageReport, span: Span, agent: Option<&str>, now: i64) -> Value {
    let mut by_day: BTreeMap<Date, Tally> = BTreeMap::new();
    for date in span.first.series(jiff::Span::new().days(1)).take_while(|it| *it <= span.last) {
        by_day.insert(date, Tally::default());
    }
    for day in &report.days {
        let sum = day.date.parse().ok().and_then(|date: Date| by_day.get_mut(&date));
        let Some(sum) = sum else { continue };
        for line in day.lines.iter().filter(|line| agent.is_none_or(|id| line.agent == id)) {
            *sum = sum.plus(line.tally);
        }
    }
    let total = by_day.values().fold(Tally::default(), |sum, day| sum.plus(*day));
    let daily: Vec<Value> = by_day
        .iter()
        .map(|(date, tally)| {
            let mut figures = figures(tally);
            figures["date"] = json!(date.to_string());
            figures
        })
        .collect();
    json!({"updatedAt": now, "days": daily.len(), "daily": daily, "totals": figures(&total)})
}

/// A sum as clients of the gateway protocol know it.
pub(super) fn figures(tally: &Tally) -> Value {
    json!({
        "input": tally.input,
        "output": tally.output,
        "cacheRead": 0,
        "cacheWrite": 0,
        "totalTokens": tally.tokens(),
        "totalCost": tally.dollars(),
        "missingCostEntries": tally.unpriced + tally.unreported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(params: Value) -> Result<Span, ErrorBody> {
        let today = jiff::civil::date(2026, 3, 2);
        read::<CostParams>("usage.cost", params).and_then(|params| span(&params, today))
    }

    #[test]
    fn a_span_of_days_ends_where_it_is_said() {
        let days = |span: Span| (span.last - span.first).get_days() + 1;
        assert_eq!(asked(json!({})).map(days), Ok(30));
        assert_eq!(asked(json!({"days": 1})).map(days), Ok(1));
        let february = json!({"startDate": "2026-02-01", "endDate": "2026-02-28"});
        assert_eq!(asked(february).map(days), Ok(28));
        for (params, part) in [
            (json!({"days": 0}), "at days"),
            (json!({"days": 367}), "at days"),
            (json!({"endDate": "soon"}), "at endDate"),
            (json!({"startDate": "2026-03-03"}), "before startDate"),
            (json!({"startDate": "1999-01-01"}), "at startDate"),
            (json!({"bogus": 1}), "'bogus'"),
        ] {
            let error = asked(params.clone()).unwrap_err();
            assert!(error.message.contains(part), "{params}: {}", error.message);
        }
    }
}
