//! How the service is, in the shape that clients of the gateway protocol know: in the answer to
//! `health`, in what a client is told when it is let in, and as an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use telson_actors::store::StoreError;
use telson_supervision::{Node, NodeState};

use super::accounts::{self, Account};
use super::health::troubled;
use super::models::{chain, window};
use crate::config::{Config, SessionScope};
use crate::engine::{Engine, SessionFacts};
use crate::host::Host;

/// Sessions that are named.
const RECENT: usize = 5;

/// The report. Nothing in it waits for anything: what is not known yet is left out.
pub(crate) fn health(engine: &Engine, host: &Host) -> Value {
    let (tree, now) = (engine.tree(), engine.clock().now().0);
    let accounts = accounts::list(&tree);
    let mut report = json!({
        "ts": now,
        "durationMs": 0,
        "plugins": {"loaded": [], "errors": [], "unavailable": []},
        "channels": channels(&accounts),
        "channelOrder": accounts::names(&accounts),
        "channelLabels": accounts::labels(&accounts),
        "defaultAgentId": default_agent(host),
    });
    if troubled(&tree, "").is_empty() {
        report["ok"] = json!(true);
    }
    let dead = engine.load().dead_letters;
    if dead > 0 {
        report["deliveryQueues"] =
            json!({"failed": [{"queueName": "dead letters", "count": dead}]});
    }
    if let Some(sessions) = engine.sessions_at_hand() {
        report["agents"] = agents(engine, host, &sessions, now);
        report["sessions"] = summary(host, &sessions, now);
    }
    report
}

/// What clients of the gateway protocol read in the answer to `status`.
pub(super) async fn status(engine: &Engine, host: &Host) -> Result<Value, StoreError> {
    let (sessions, now) = (engine.sessions().await?, engine.clock().now().0);
    let all: Vec<&Arc<SessionFacts>> = sessions.iter().collect();
    let default = default_agent(host);
    let model = chain(host, &default).into_iter().next();
    let by_agent = agent_ids(host).into_iter().map(|id| {
        let own: Vec<_> = all.iter().filter(|facts| facts.agent == id).copied().collect();
        let recent = recent(&own, now);
        json!({"agentId": id, "path": store_path(host), "count": own.len(), "recent": recent})
    });
    let beats = agent_ids(host).into_iter().map(|id| {
        let beat = heartbeat(engine, &id);
        json!({
            "agentId": id,
            "enabled": beat["enabled"],
            "every": beat["every"],
            "everyMs": beat["everyMs"],
        })
    });
    let beats: Vec<Value> = beats.collect();
    Ok(json!({
        "runtimeVersion": env!("CARGO_PKG_VERSION"),
        "heartbeat": {"defaultAgentId": default, "agents": beats},
        "channelSummary": summary_lines(&accounts::list(&engine.tree())),
        "queuedSystemEvents": [],
        "sessions": {
            "paths": [store_path(host)],
            "count": all.len(),
            "defaults": {
                "model": model,
                "contextTokens": model.as_deref().and_then(|model| window(host, model)),
            },
            "recent": recent(&all, now),
            "byAgent": by_agent.collect::<Vec<_>>(),
        },
    }))
}

/// One line for each account.
fn summary_lines(accounts: &[Account]) -> Vec<String> {
    let line = |account: &Account| {
        let state = if account.state == NodeState::Running { "running" } else { "not running" };
        let trouble = account.troubles.first().map(|it| format!(" ({it})")).unwrap_or_default();
        format!("{} {}: {state}{trouble}", accounts::label(&account.channel), account.id)
    };
    accounts.iter().map(line).collect()
}

/// Tells everybody: whoever comes is told the same with its greeting.
pub(crate) fn tell(engine: &Engine, host: &Host) {
    host.guests.health_told();
    host.hub.tell("health", None, health(engine, host));
}

/// The agent of whoever names none.
pub(crate) fn default_agent(host: &Host) -> String {
    host.config.as_ref().and_then(Config::default_agent).unwrap_or_else(|| "main".into())
}

/// Every agent's id, the configured ones or `main`.
pub(crate) fn agent_ids(host: &Host) -> Vec<String> {
    let agents = host.config.as_ref().map(Config::agents_map);
    agents.map_or_else(|| vec!["main".into()], |agents| agents.into_keys().collect())
}

/// The word of the agent's main session.
pub(crate) fn main_key(host: &Host) -> String {
    host.config.as_ref().map_or_else(|| "main".into(), |config| config.session.main_key.clone())
}

/// Whether everybody has a session of their own.
pub(crate) fn scope(host: &Host) -> &'static str {
    match host.config.as_ref().map(|config| config.session.scope) {
        Some(SessionScope::Global) => "global",
        Some(SessionScope::PerSender) | None => "per-sender",
    }
}

/// Where the sessions are, for people.
pub(crate) fn store_path(host: &Host) -> String {
    let dir = host.state_dir.as_ref();
    dir.map_or_else(|| "memory".into(), |dir| dir.join("store").display().to_string())
}

/// The newest sessions of some.
pub(crate) fn recent(sessions: &[&Arc<SessionFacts>], now: i64) -> Vec<Value> {
    let mut newest: Vec<&&Arc<SessionFacts>> = sessions.iter().collect();
    newest.sort_by_key(|facts| std::cmp::Reverse(facts.updated_at()));
    let shown = newest.into_iter().take(RECENT).map(|facts| {
        let at = facts.updated_at().0;
        json!({"key": facts.key, "updatedAt": at, "age": now.saturating_sub(at).max(0)})
    });
    shown.collect()
}

fn summary(host: &Host, sessions: &[Arc<SessionFacts>], now: i64) -> Value {
    let all: Vec<&Arc<SessionFacts>> = sessions.iter().collect();
    json!({"path": store_path(host), "count": all.len(), "recent": recent(&all, now)})
}

fn agents(engine: &Engine, host: &Host, sessions: &[Arc<SessionFacts>], now: i64) -> Value {
    let default = default_agent(host);
    let mut by_agent: BTreeMap<&str, Vec<&Arc<SessionFacts>>> = BTreeMap::new();
    for facts in sessions {
        by_agent.entry(&facts.agent).or_default().push(facts);
    }
    let agent = |id: String| {
        let own = by_agent.get(id.as_str()).cloned().unwrap_or_default();
        json!({
            "agentId": id,
            "isDefault": id == default,
            "heartbeat": heartbeat(engine, &id),
            "sessions": {
                "path": store_path(host), "count": own.len(), "recent": recent(&own, now),
            },
        })
    };
    agent_ids(host).into_iter().map(agent).collect()
}

/// How an agent looks by itself whether something needs attention.
fn heartbeat(engine: &Engine, agent: &str) -> Value {
    let beats = engine.heartbeats();
    let beat = beats.beat(agent).filter(|beat| beats.is_enabled() && !beat.every.is_zero());
    match beat {
        Some(beat) => json!({
            "enabled": true,
            "every": format!("{}m", beat.every.as_secs() / 60),
            "everyMs": u64::try_from(beat.every.as_millis()).unwrap_or(u64::MAX),
            "prompt": beat.prompt.as_deref().unwrap_or_default(),
            "target": beat.target.name(),
            "ackMaxChars": beat.ok_chars,
        }),
        None => json!({
            "enabled": false, "every": "0m", "everyMs": null,
            "prompt": "", "target": "none", "ackMaxChars": 0,
        }),
    }
}

fn channels(accounts: &[Account]) -> Map<String, Value> {
    let mut channels = Map::new();
    for account in accounts {
        let entry = channels.entry(account.channel.clone()).or_insert_with(
            || json!({"configured": true, "running": false, "linked": true, "accounts": {}}),
        );
        let is_running = account.state == NodeState::Running;
        if is_running {
            entry["running"] = json!(true);
        }
        entry["accounts"][&account.id] = json!({
            "accountId": account.id,
            "configured": true,
            "running": is_running,
            "lastError": account.troubles.first(),
        });
    }
    channels
}

/// A branch's own state and everything wrong below it.
pub(super) fn troubles_of(node: &Node) -> Vec<String> {
    troubled(node, "")
}
