//! What was said in sessions, in short, and what it has cost.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::session::Exchange;
use telson_actors::usage::{Tally, UsageReport};

use super::params::{Count, Text, read};
use super::session_list::find;
use super::session_rows::{key_of, session_id};
use super::usage::figures;
use super::{Call, ErrorBody, Method, Scope};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "sessions.preview",
        scope: Scope::Read,
        about: "the newest messages of some sessions, cut short",
        run: |call| Box::pin(preview(call)),
    },
    Method {
        name: "sessions.get",
        scope: Scope::Read,
        about: "the newest messages of a session",
        run: |call| Box::pin(get(call)),
    },
    Method {
        name: "sessions.usage",
        scope: Scope::Read,
        about: "what sessions have used and cost",
        run: |call| Box::pin(usage(call)),
    },
];

const KEYS_MAX: usize = 64;
const ITEMS: u64 = 12;
const ITEMS_MAX: u64 = 50;
const CHARS: usize = 240;
const CHARS_MIN: usize = 20;
const MESSAGES: u64 = 200;
const MESSAGES_MAX: u64 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PreviewParams {
    keys: Vec<Text>,
    limit: Option<Count>,
    max_chars: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GetParams {
    #[serde(alias = "sessionKey")]
    key: Text,
    limit: Option<Count>,
}

async fn preview(call: Call) -> Result<Value, ErrorBody> {
    let params: PreviewParams = read("sessions.preview", call.params.clone())?;
    if params.keys.len() > KEYS_MAX {
        let text = format!("invalid sessions.preview params: at keys: at most {KEYS_MAX}");
        return Err(ErrorBody::invalid(text));
    }
    let chars = params.max_chars.unwrap_or(CHARS);
    if chars < CHARS_MIN {
        let text = format!("invalid sessions.preview params: at maxChars: at least {CHARS_MIN}");
        return Err(ErrorBody::invalid(text));
    }
    let limit = params.limit.map_or(ITEMS, Count::get).min(ITEMS_MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut previews = Vec::new();
    for key in params.keys {
        let Ok(session) = key_of(&call.host, key.as_str(), None) else {
            previews.push(json!({"key": key, "status": "missing", "items": []}));
            continue;
        };
        let exchanges =
            call.engine.exchanges(&session, limit).await.map_err(ErrorBody::internal)?;
        let mut items: Vec<Value> = exchanges.iter().flat_map(|it| said(it, chars)).collect();
        items.drain(..items.len().saturating_sub(limit));
        let status = match (items.is_empty(), find(&call, &session).await?) {
            (false, _) => "ok",
            (true, Some(_)) => "empty",
            (true, None) => "missing",
        };
        previews.push(json!({"key": key, "status": status, "items": items}));
    }
    Ok(json!({"ts": call.engine.clock().now().0, "previews": previews}))
}

/// What people and the agent said to each other.
fn said(exchange: &Exchange, chars: usize) -> Vec<Value> {
    let item = |role: &str, text: &str| json!({"role": role, "text": cut(text, chars)});
    let mut items: Vec<Value> = exchange.said.iter().map(|said| item("user", &said.text)).collect();
    if !exchange.answer.is_empty() {
        items.push(item("assistant", &exchange.answer));
    }
    items
}

fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(3)).collect();
    format!("{kept}...")
}

async fn get(call: Call) -> Result<Value, ErrorBody> {
    let params: GetParams = read("sessions.get", call.params.clone())?;
    let session = key_of(&call.host, params.key.as_str(), None)?;
    let limit = params.limit.map_or(MESSAGES, Count::get).min(MESSAGES_MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let exchanges = call.engine.exchanges(&session, limit).await.map_err(ErrorBody::internal)?;
    let mut messages: Vec<Value> = exchanges.iter().flat_map(messages).collect();
    messages.drain(..messages.len().saturating_sub(limit));
    Ok(json!({"key": session, "messages": messages}))
}

fn messages(exchange: &Exchange) -> Vec<Value> {
    let mut messages: Vec<Value> = exchange
        .said
        .iter()
        .map(|said| json!({"role": "user", "content": said.text, "timestamp": said.sent_at}))
        .collect();
    if !exchange.answer.is_empty() {
        messages.push(json!({
            "role": "assistant",
            "content": [{"type": "text", "text": exchange.answer}],
            "model": exchange.model,
            "timestamp": exchange.finished_at,
        }));
    }
    messages
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UsageParams {
    key: Option<Text>,
    agent_id: Option<Text>,
    #[expect(dead_code, reason = "without an agent all are meant")]
    agent_scope: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    #[expect(dead_code, reason = "days are those of UTC")]
    mode: Option<String>,
    range: Option<Range>,
    #[expect(dead_code, reason = "a session is one")]
    group_by: Option<String>,
    #[expect(dead_code, reason = "past lives count with their session")]
    include_historical: Option<bool>,
    #[expect(dead_code, reason = "days are those of UTC")]
    utc_offset: Option<String>,
    #[expect(dead_code, reason = "days are those of UTC")]
    time_zone: Option<Text>,
    limit: Option<Count>,
    #[expect(dead_code, reason = "not weighed here")]
    include_context_weight: Option<bool>,
}

#[derive(Deserialize)]
enum Range {
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
    #[serde(rename = "1y", alias = "all")]
    Year,
}

impl Range {
    fn days(&self) -> u64 {
        match self {
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 366,
        }
    }
}

async fn usage(call: Call) -> Result<Value, ErrorBody> {
    let params: UsageParams = read("sessions.usage", call.params.clone())?;
    let explicit = params.start_date.is_some() || params.end_date.is_some();
    let days = match &params.range {
        Some(range) => range.days(),
        None if explicit => Range::Year.days(),
        None => Range::Month.days(),
    };
    let mut report = call.engine.usage(days).await.map_err(ErrorBody::internal)?;
    let is_in = |date: &String| {
        params.start_date.as_ref().is_none_or(|start| date >= start)
            && params.end_date.as_ref().is_none_or(|end| date <= end)
    };
    report.days.retain(|day| is_in(&day.date));
    let key = params.key.as_ref().map(|key| key_of(&call.host, key.as_str(), None)).transpose()?;
    for day in &mut report.days {
        day.lines.retain(|line| {
            key.as_ref().is_none_or(|key| line.session == key.as_str())
                && params.agent_id.as_ref().is_none_or(|id| line.agent == id.as_str())
        });
    }
    let limit =
        params.limit.map_or(usize::MAX, |it| usize::try_from(it.get()).unwrap_or(usize::MAX));
    Ok(shown(&report, call.engine.clock().now().0, limit))
}

fn shown(report: &UsageReport, now: i64, limit: usize) -> Value {
    let mut sums = Sums::default();
    for (date, line) in
        report.days.iter().flat_map(|day| day.lines.iter().map(|it| (&day.date, it)))
    {
        sums.total = sums.total.plus(line.tally);
        let provider = line.model.split_once('/').map_or("", |(provider, _)| provider);
        for (map, name) in [
            (&mut sums.sessions, line.session.as_str()),
            (&mut sums.models, line.model.as_str()),
            (&mut sums.providers, provider),
            (&mut sums.agents, line.agent.as_str()),
            (&mut sums.days, date.as_str()),
        ] {
            let sum = map.entry(name.to_owned()).or_default();
            *sum = sum.plus(line.tally);
        }
    }
    let sessions = sums.sessions.iter().take(limit).map(|(key, tally)| {
        let id = telson_actors::message::SessionKey::parse(key).map(|key| session_id(&key, 0));
        let agent = key.split(':').nth(1).unwrap_or_default();
        json!({"key": key, "sessionId": id.ok(), "agentId": agent, "usage": figures(tally)})
    });
    let dates: Vec<&String> = sums.days.keys().collect();
    json!({
        "updatedAt": now,
        "startDate": dates.first(),
        "endDate": dates.last(),
        "sessions": sessions.collect::<Vec<_>>(),
        "totals": figures(&sums.total),
        "aggregates": {
            "sessionCount": sums.sessions.len(),
            "byModel": list(&sums.models, "model"),
            "byProvider": list(&sums.providers, "provider"),
            "byAgent": list(&sums.agents, "agentId"),
            "daily": list(&sums.days, "date"),
        },
    })
}

#[derive(Default)]
struct Sums {
    total: Tally,
    sessions: BTreeMap<String, Tally>,
    models: BTreeMap<String, Tally>,
    providers: BTreeMap<String, Tally>,
    agents: BTreeMap<String, Tally>,
    days: BTreeMap<String, Tally>,
}

fn list(of: &BTreeMap<String, Tally>, name: &str) -> Vec<Value> {
    let line = |(key, tally): (&String, &Tally)| {
        let (count, totals) = (tally.calls, figures(tally));
        json!({name: key, "count": count, "totals": totals})
    };
    of.iter().map(line).collect()
}
