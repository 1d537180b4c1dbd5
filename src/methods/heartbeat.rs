//! Waking agents, telling them what happened, and what became of their heartbeats.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::heartbeat::{BeatStatus, Indicator, WakeMode};
use telson_actors::message::SessionKey;
use telson_actors::system_event::Added;

use super::params::{Nothing, Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::engine::Engine;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "wake",
        scope: Scope::Write,
        about: "tell an agent what happened and wake it for that, now or at its next heartbeat",
        run: |call| Box::pin(wake(call)),
    },
    Method {
        name: "system-event",
        scope: Scope::Admin,
        about: "tell an agent what happened, with its next turn or at once",
        run: |call| Box::pin(system_event(call)),
    },
    Method {
        name: "last-heartbeat",
        scope: Scope::Read,
        about: "what became of the last heartbeat",
        run: |call| ready(last(call)),
    },
    Method {
        name: "set-heartbeats",
        scope: Scope::Admin,
        about: "switch heartbeats on or off",
        run: |call| Box::pin(set(call)),
    },
];

/// A status as the gateway's event `heartbeat` carries it: what is not known is left out.
pub(crate) fn wire(status: &BeatStatus) -> Value {
    let mut wire = json!({
        "ts": status.at.0,
        "status": status.outcome.name(),
        "agentId": status.agent,
    });
    let to = status.to.as_ref();
    let known = [
        ("to", to.map(|to| json!(to.target))),
        ("channel", to.map(|to| json!(to.account.channel))),
        ("accountId", to.map(|to| json!(to.account.account))),
        ("preview", status.preview.as_ref().map(|text| json!(text))),
        ("durationMs", status.duration_ms.map(|millis| json!(millis))),
        ("reason", status.reason.as_ref().map(|text| json!(text))),
        ("indicatorType", status.indicator.map(Indicator::name).map(|name| json!(name))),
    ];
    for (key, value) in known {
        if let Some(value) = value {
            wire[key] = value;
        }
    }
    wire
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WakeParams {
    mode: ModeName,
    text: Text,
    session_key: Option<String>,
    agent_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeName {
    Now,
    NextHeartbeat,
}

/// Clients that announce themselves say more than what happened; that is not kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "who is connected is known by its connection")]
struct EventParams {
    text: Text,
    /// When to wake for it, or what kind of client announces itself.
    mode: Option<String>,
    wake: Option<bool>,
    session_key: Option<String>,
    agent_id: Option<String>,
    idempotency_key: Option<String>,
    device_id: Option<String>,
    instance_id: Option<String>,
    host: Option<String>,
    ip: Option<String>,
    version: Option<String>,
    platform: Option<String>,
    device_family: Option<String>,
    model_identifier: Option<String>,
    last_input_seconds: Option<f64>,
    reason: Option<String>,
    roles: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetParams {
    enabled: bool,
}

/// What happened, to whom it is told, and under which name.
struct News<'a> {
    text: &'a Text,
    session: Option<&'a str>,
    agent: Option<&'a str>,
    mode: WakeMode,
    key: Option<&'a str>,
}

async fn wake(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let params: WakeParams = read("wake", params)?;
    let mode = match params.mode {
        ModeName::Now => WakeMode::Now,
        ModeName::NextHeartbeat => WakeMode::NextHeartbeat,
    };
    let (session, agent) = (params.session_key.as_deref(), params.agent_id.as_deref());
    report(&engine, News { text: &params.text, session, agent, mode, key: None }).await
}

async fn system_event(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let params: EventParams = read("system-event", params)?;
    let mode = match params.wake {
        Some(true) => WakeMode::Now,
        _ => params.mode.as_deref().and_then(WakeMode::named).unwrap_or_default(),
    };
    let (session, agent) = (params.session_key.as_deref(), params.agent_id.as_deref());
    let key = said(params.idempotency_key.as_deref());
    report(&engine, News { text: &params.text, session, agent, mode, key }).await
}

async fn report(engine: &Engine, news: News<'_>) -> Result<Value, ErrorBody> {
    let text = news.text.as_str();
    if text.trim().is_empty() {
        return Err(ErrorBody::invalid("params.text: what happened, in words"));
    }
    let session = session(engine, said(news.session), said(news.agent))?;
    let id = news.key.map(|key| format!("call:{key}"));
    let added = engine
        .system_event(&session, text, news.mode, id.as_deref())
        .await
        .map_err(ErrorBody::internal)?;
    if let (Added::Known, Some(key), Some(id)) = (added, news.key, &id) {
        check_key(engine, (key, id), &session, &news)?;
    }
    let is_new = matches!(added, Added::Waits(_));
    Ok(json!({"ok": true, "sessionKey": session.as_str(), "queued": is_new}))
}

/// A key names one event: what was told under it says nothing about this one.
fn check_key(
    engine: &Engine,
    (key, id): (&str, &str),
    session: &SessionKey,
    news: &News<'_>,
) -> Result<(), ErrorBody> {
    let used = engine.system_events().used(id).map_err(ErrorBody::internal)?;
    let Some(used) = used else { return Ok(()) };
    let is_named = said(news.session).is_some() || said(news.agent).is_some();
    let elsewhere = used.session.as_ref().filter(|first| is_named && *first != session);
    let what = match elsewhere {
        Some(first) => format!("in session {first}"),
        None if used.says(news.text.as_str()) => return Ok(()),
        None => "for another text".to_owned(),
    };
    let text = format!("idempotencyKey {key:?} was used {what}; this event needs a key of its own");
    Err(ErrorBody::invalid(text).with(json!({"code": "IDEMPOTENCY_KEY_REUSED"})))
}

/// The session that is named, else the main session of the agent that is, else of the default one.
pub(super) fn session(
    engine: &Engine,
    key: Option<&str>,
    agent: Option<&str>,
) -> Result<SessionKey, ErrorBody> {
    let beats = engine.heartbeats();
    let known = |agent: &String| beats.rules().known.contains(agent);
    let named = agent.map(str::to_owned);
    if let Some(agent) = named.as_ref().filter(|agent| !known(agent)) {
        return Err(ErrorBody::invalid(format!("params.agentId: there is no agent {agent:?}")));
    }
    let agent = named.or_else(|| beats.rules().default_agent.clone());
    match key {
        Some(key) if key != "main" => {
            let wrong = |error| ErrorBody::invalid(format!("params.sessionKey: {error}"));
            let session = SessionKey::parse(key).map_err(|error| wrong(error.to_string()))?;
            match session.agent().filter(|agent| !known(agent)) {
                Some(agent) => Err(wrong(format!("there is no agent {agent:?}"))),
                None => Ok(session),
            }
        }
        _ => {
            let none = "params.agentId: no agent is the default one; name one";
            agent.map(|agent| beats.session_of(&agent)).ok_or_else(|| ErrorBody::invalid(none))
        }
    }
}

fn last(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("last-heartbeat", params)?;
    let last = engine.heartbeats().last().map_err(ErrorBody::internal)?;
    Ok(last.as_ref().map_or(Value::Null, wire))
}

async fn set(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let SetParams { enabled } = read("set-heartbeats", params)?;
    engine.heartbeats().set_enabled(enabled).await.map_err(ErrorBody::internal)?;
    Ok(json!({"ok": true, "enabled": enabled}))
}

/// What says something.
fn said(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use telson_actors::clock::Timestamp;
    use telson_actors::heartbeat::Outcome;

    use super::*;

    #[test]
    fn a_status_leaves_out_what_is_not_known() {
        let status = BeatStatus {
            at: Timestamp(7),
            outcome: Outcome::OkToken,
            agent: "main".into(),
            to: None,
            preview: None,
            duration_ms: Some(3),
            reason: None,
            indicator: Outcome::OkToken.indicator(),
        };
        let expected = json!({"ts": 7, "status": "ok-token", "agentId": "main", "durationMs": 3,
            "indicatorType": "ok"});
        assert_eq!(wire(&status), expected);
    }
}
