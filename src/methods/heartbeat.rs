//! Waking agents, telling them what happened, and what became of their heartbeats.

use serde_json::{Value, json};
use telson_actors::heartbeat::{BeatStatus, Indicator, WakeMode};
use telson_actors::message::SessionKey;
use telson_actors::system_event::Added;

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
        run: |call| ready(last(&call.engine)),
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

/// `wake {mode, text, sessionKey?, agentId?}`
async fn wake(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let mode = mode(&params)?.ok_or_else(|| wrong_mode("nothing"))?;
    report(&engine, &params, mode).await
}

/// `system-event {text, mode?, sessionKey?, agentId?, idempotencyKey?}`; clients that announce
/// themselves say more, which is not kept.
async fn system_event(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    // A client's own `mode` says what kind of client it is.
    let mode = mode(&params).ok().flatten().unwrap_or_default();
    report(&engine, &params, mode).await
}

async fn report(engine: &Engine, params: &Value, mode: WakeMode) -> Result<Value, ErrorBody> {
    let text = text(params, "text").filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| ErrorBody::invalid("params.text: what happened, in words"))?;
    let session = session(engine, params)?;
    let id = text_of(params, "idempotencyKey").map(|key| format!("call:{key}"));
    let added = engine
        .system_event(&session, text, mode, id.as_deref())
        .await
        .map_err(ErrorBody::internal)?;
    let is_new = matches!(added, Added::Waits(_));
    Ok(json!({"ok": true, "sessionKey": session.as_str(), "queued": is_new}))
}

/// The session that is named, else the main session of the agent that is, else of the default one.
fn session(engine: &Engine, params: &Value) -> Result<SessionKey, ErrorBody> {
    let beats = engine.heartbeats();
    let known = |agent: &String| beats.rules().known.contains(agent);
    let named = text_of(params, "agentId").map(str::to_owned);
    if let Some(agent) = named.as_ref().filter(|agent| !known(agent)) {
        return Err(ErrorBody::invalid(format!("params.agentId: there is no agent {agent:?}")));
    }
    let agent = named.or_else(|| beats.rules().default_agent.clone());
    match text_of(params, "sessionKey") {
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

fn last(engine: &Engine) -> Result<Value, ErrorBody> {
    let last = engine.heartbeats().last().map_err(ErrorBody::internal)?;
    Ok(last.as_ref().map_or(Value::Null, wire))
}

/// `set-heartbeats {enabled}`
async fn set(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let enabled = params.get("enabled").and_then(Value::as_bool);
    let enabled = enabled.ok_or_else(|| ErrorBody::invalid("params.enabled: true or false"))?;
    engine.heartbeats().set_enabled(enabled).await.map_err(ErrorBody::internal)?;
    Ok(json!({"ok": true, "enabled": enabled}))
}

fn mode(params: &Value) -> Result<Option<WakeMode>, ErrorBody> {
    let Some(name) = params.get("mode").filter(|mode| !mode.is_null()) else { return Ok(None) };
    let mode = name.as_str().and_then(WakeMode::named);
    mode.map(Some).ok_or_else(|| wrong_mode(&name.to_string()))
}

fn wrong_mode(found: &str) -> ErrorBody {
    ErrorBody::invalid(format!("params.mode: \"now\" or \"next-heartbeat\", found {found}"))
}

fn text<'a>(params: &'a Value, key: &str) -> Option<&'a str> {
    params.get(key).and_then(Value::as_str)
}

fn text_of<'a>(params: &'a Value, key: &str) -> Option<&'a str> {
    text(params, key).map(str::trim).filter(|text| !text.is_empty())
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
