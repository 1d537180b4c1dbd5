//! How the service is, and what its supervision tree looks like.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::hook::Failing;
use telson_actors::provider::profile::Resting;
use telson_actors::store::StoreError;
use telson_supervision::{Node, NodeState};
use tokio::time::Instant;

use super::params::{Nothing, read};
use super::report;
use super::{Call, ErrorBody, Method, Scope, Taking, keys, ready, to_value};
use crate::control::CONTROL;
use crate::engine::Engine;
use crate::gateway::GATEWAY;
use crate::gateway::narrator::NARRATOR;
use crate::restart::Restart;

/// Longest wait for the sessions to be read for the first time.
const SESSIONS_WAIT: Duration = Duration::from_millis(50);

const HEALTH: &str = "health";

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: HEALTH,
        scope: Scope::Read,
        about: "whether the service works",
        run: |call| Box::pin(health(call)),
    },
    Method {
        name: "status",
        scope: Scope::Read,
        about: "load, store and channels",
        run: |call| Box::pin(status(call)),
    },
    Method {
        name: "telson.tree",
        scope: Scope::Read,
        about: "the supervision tree",
        run: |call| ready(tree(&call)),
    },
];

fn tree(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("telson.tree", call.params.clone())?;
    to_value(call.engine.tree())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HealthParams {
    #[serde(default)]
    probe: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "the summary costs nothing")]
struct StatusParams {
    include_channel_summary: Option<bool>,
}

/// Our own figures, and the report that clients of the gateway protocol know. A probe waits until
/// everything is known.
async fn health(call: Call) -> Result<Value, ErrorBody> {
    let params: HealthParams = read("health", call.params)?;
    let sessions = call.engine.sessions();
    if params.probe {
        sessions.await.map_err(ErrorBody::internal)?;
    } else if tokio::time::timeout(SESSIONS_WAIT, sessions).await.is_err() {
        tracing::debug!("the sessions are still being read; this report goes without them");
    }
    let report = report::health(&call.engine, &call.host);
    Ok(merged(report, own_health(&call.engine)))
}

/// Whether this asks for the health as everybody does.
pub(super) fn is_plain(method: &Method, params: &Value) -> bool {
    method.name == HEALTH
        && (params.is_null() || params.as_object().is_some_and(serde_json::Map::is_empty))
}

/// The health, found out at most a moment ago.
pub(super) async fn kept(call: Call) -> Result<Arc<str>, ErrorBody> {
    if let Some(text) = call.host.health.fresh() {
        return Ok(text);
    }
    let (host, since) = (call.host.clone(), Instant::now());
    let text: Arc<str> = health(Call { params: json!({}), ..call }).await?.to_string().into();
    host.health.keep(since, text.clone());
    Ok(text)
}

async fn status(call: Call) -> Result<Value, ErrorBody> {
    read::<StatusParams>("status", call.params)?;
    let report = report::status(&call.engine, &call.host).await.map_err(ErrorBody::internal)?;
    let mut own = own_status(&call.engine);
    if let Some(notices) = own["notices"].as_array_mut() {
        notices.extend(call.host.config_writes.notice().map(|notice| json!(notice)));
        let restart = call.host.restart.as_ref().and_then(Restart::notice);
        notices.extend(restart.map(|notice| json!(notice)));
    }
    Ok(merged(report, own))
}

/// Both together; what we say ourselves counts.
fn merged(mut report: Value, own: Value) -> Value {
    if let (Value::Object(report), Value::Object(own)) = (&mut report, own) {
        report.extend(own);
    }
    report
}

fn own_health(engine: &Engine) -> Value {
    let tree = engine.tree();
    let (troubled, draining) = (troubled(&tree, ""), engine.taking() == Taking::Ending);
    json!({
        "ok": troubled.is_empty(),
        "draining": draining,
        "uptimeMs": millis(engine.uptime()),
        "troubled": troubled,
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn own_status(engine: &Engine) -> Value {
    let tree = engine.tree();
    let (load, store, disk) = (engine.load(), engine.store_stats(), engine.disk());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "state": state(engine),
        "notices": Vec::from_iter(&disk.shortage),
        "uptimeMs": millis(engine.uptime()),
        "disk": disk,
        "load": load,
        "deadLetters": load.dead_letters,
        "damaged": load.damaged,
        "store": store,
        "sessionsLive": live_sessions(&tree),
        "providers": children_of(&tree, &["core", "providers"]),
        "mcp": children_of(&tree, &["core", "mcp"]),
        "troubles": troubles(engine),
        "channels": channels(&tree),
    })
}

/// What it is doing.
fn state(engine: &Engine) -> &'static str {
    match engine.taking() {
        Taking::All => "running",
        Taking::Ending => "draining",
        Taking::Quieter => "suspending",
        Taking::Nothing => "suspended",
    }
}

/// What no actor's note tells: keys that rest, hooks that fail, budgets that are used up.
fn troubles(engine: &Engine) -> Vec<Value> {
    let trouble =
        |kind: &str, id: &str, text: String| json!({"kind": kind, "id": id, "text": text});
    let unread = |error: StoreError| vec![trouble("store", "store", error.to_string())];
    let keys = engine.resting_keys().map(|keys| {
        let told = |rest: &Resting| {
            let mut trouble = trouble("key", &rest.profile, keys::told(rest));
            trouble["until"] = json!(rest.until);
            trouble
        };
        keys.iter().map(told).collect()
    });
    let budgets = engine.spent_budgets().map(|budgets| {
        budgets.into_iter().map(|(whose, text)| trouble("budget", &whose, text)).collect()
    });
    let hooks = engine.failing_hooks().into_iter().map(|failing| {
        let Failing { hook, moment, error, times } = failing;
        trouble("hook", &hook, format!("fails on {moment} ({times} in a row): {error}"))
    });
    let mut all: Vec<Value> = keys.unwrap_or_else(unread);
    all.extend(budgets.unwrap_or_else(unread));
    all.extend(hooks);
    all
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Paths of everything that does not run as it should.
pub(super) fn troubled(node: &Node, prefix: &str) -> Vec<String> {
    let path = if prefix.is_empty() { node.id.clone() } else { format!("{prefix}/{}", node.id) };
    let mut paths = Vec::new();
    if matches!(node.state, NodeState::Restarting | NodeState::Tripped) {
        let why = node.last_error.as_deref().unwrap_or("restarting");
        paths.push(format!("{path}: {why}"));
    } else if let Some(note) = &node.note {
        paths.push(format!("{path}: {note}"));
    }
    for child in &node.children {
        paths.extend(troubled(child, &path));
    }
    paths
}

fn live_sessions(node: &Node) -> usize {
    node.live.unwrap_or_else(|| node.children.iter().map(live_sessions).sum())
}

fn children_of(tree: &Node, path: &[&str]) -> Vec<Value> {
    let mut node = tree;
    for part in path {
        match node.children.iter().find(|child| child.id == *part) {
            Some(child) => node = child,
            None => return Vec::new(),
        }
    }
    node.children
        .iter()
        .map(|child| json!({"id": child.id, "state": child.state, "notes": troubled(child, "")}))
        .collect()
}

/// The accounts; the control socket and the gateway beside them are none.
fn channels(tree: &Node) -> Vec<Value> {
    let mut channels = children_of(tree, &["edge"]);
    channels.retain(|channel| ![CONTROL, GATEWAY, NARRATOR].iter().any(|id| channel["id"] == *id));
    channels
}
