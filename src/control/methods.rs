//! The one method table: name, scope, what it is for, and what it does.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use telson_actors::dead_letter::DeadLetterId;
use telson_supervision::{Node, NodeState};

use super::frame::ErrorBody;
use super::listener::CONTROL;
use crate::engine::Engine;

/// What a caller must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look.
    Read,
    /// Change what happens to messages.
    Write,
    /// Change the service itself.
    Admin,
}

type Answer = BoxFuture<'static, Result<Value, ErrorBody>>;

/// One method.
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// What a caller must be allowed to do.
    pub scope: Scope,
    /// What it is for.
    pub about: &'static str,
    pub(super) run: fn(Engine, Value) -> Answer,
}

/// Every method, by name.
pub const METHODS: &[Method] = &[
    Method {
        name: "health",
        scope: Scope::Read,
        about: "whether the service works",
        run: |engine, _| Box::pin(async move { Ok(health(&engine)) }),
    },
    Method {
        name: "status",
        scope: Scope::Read,
        about: "load, store and channels",
        run: |engine, _| Box::pin(async move { Ok(status(&engine)) }),
    },
    Method {
        name: "telson.tree",
        scope: Scope::Read,
        about: "the supervision tree",
        run: |engine, _| Box::pin(async move { to_value(engine.tree()) }),
    },
    Method {
        name: "telson.why",
        scope: Scope::Read,
        about: "the journey of a message",
        run: |engine, params| Box::pin(why(engine, params)),
    },
    Method {
        name: "sessions.abort",
        scope: Scope::Write,
        about: "end what runs and what waits in a session",
        run: |engine, params| Box::pin(super::sessions::abort(engine, params)),
    },
    Method {
        name: "usage.cost",
        scope: Scope::Read,
        about: "what models have used and cost, by day, session and model",
        run: |engine, params| Box::pin(cost(engine, params)),
    },
    Method {
        name: "telson.deadLetters.list",
        scope: Scope::Read,
        about: "what could not be finished",
        run: |engine, _| Box::pin(async move { list_dead(&engine) }),
    },
    Method {
        name: "telson.deadLetters.show",
        scope: Scope::Read,
        about: "one dead letter, whole",
        run: |engine, params| Box::pin(async move { show_dead(&engine, &params) }),
    },
    Method {
        name: "telson.deadLetters.replay",
        scope: Scope::Write,
        about: "put a dead letter back to work",
        run: |engine, params| Box::pin(replay_dead(engine, params)),
    },
    Method {
        name: "telson.deadLetters.drop",
        scope: Scope::Write,
        about: "forget a dead letter",
        run: |engine, params| Box::pin(drop_dead(engine, params)),
    },
];

pub(super) async fn call(engine: Engine, method: &str, params: Value) -> Result<Value, ErrorBody> {
    match METHODS.iter().find(|known| known.name == method) {
        Some(known) => (known.run)(engine, params).await,
        None => Err(ErrorBody::invalid(format!("unknown method: {method}"))),
    }
}

/// The same while no engine runs: the service tells that it lives, and what it waits for.
pub(super) fn call_absent(why: Option<&str>, method: &str) -> Result<Value, ErrorBody> {
    let Some(why) = why else {
        return Err(ErrorBody::unavailable("the service is starting or stopping"));
    };
    let mut answer = json!({"version": env!("CARGO_PKG_VERSION"), "pid": std::process::id()});
    match method {
        "health" => {
            answer["ok"] = json!(false);
            answer["troubled"] = json!([why]);
        }
        "status" => {
            answer["state"] = json!("waiting");
            answer["notices"] = json!([why]);
        }
        _ => return Err(ErrorBody::unavailable(why)),
    }
    Ok(answer)
}

fn to_value(value: impl Serialize) -> Result<Value, ErrorBody> {
    serde_json::to_value(value).map_err(ErrorBody::internal)
}

fn health(engine: &Engine) -> Value {
    let tree = engine.tree();
    let troubled = troubled(&tree, "");
    json!({
        "ok": troubled.is_empty(),
        "uptimeMs": millis(engine.uptime()),
        "troubled": troubled,
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn status(engine: &Engine) -> Value {
    let tree = engine.tree();
    let (load, store, disk) = (engine.load(), engine.store_stats(), engine.disk());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "state": "running",
        "notices": Vec::from_iter(&disk.shortage),
        "uptimeMs": millis(engine.uptime()),
        "disk": disk,
        "load": load,
        "deadLetters": load.dead_letters,
        "damaged": load.damaged,
        "store": store,
        "sessionsLive": live_sessions(&tree),
        "providers": children_of(&tree, &["core", "providers"]),
        "channels": channels(&tree),
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Paths of everything that does not run as it should.
fn troubled(node: &Node, prefix: &str) -> Vec<String> {
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

/// The accounts; the control socket beside them is no channel.
fn channels(tree: &Node) -> Vec<Value> {
    let mut channels = children_of(tree, &["edge"]);
    channels.retain(|channel| channel["id"] != CONTROL);
    channels
}

async fn why(engine: Engine, params: Value) -> Result<Value, ErrorBody> {
    let query = params
        .get("query")
        .and_then(Value::as_str)
        .filter(|query| !query.trim().is_empty())
        .ok_or_else(|| ErrorBody::invalid("params.query: a text, a message id or an entry id"))?;
    let journeys = engine.why(query).await.map_err(ErrorBody::internal)?;
    Ok(json!({"journeys": to_value(journeys)?}))
}

async fn cost(engine: Engine, params: Value) -> Result<Value, ErrorBody> {
    let days = match params.get("days") {
        None | Some(Value::Null) => 30,
        Some(days) => days
            .as_u64()
            .filter(|days| (1..=366).contains(days))
            .ok_or_else(|| ErrorBody::invalid("params.days: a number from 1 to 366"))?,
    };
    to_value(engine.usage(days).await.map_err(ErrorBody::internal)?)
}

fn list_dead(engine: &Engine) -> Result<Value, ErrorBody> {
    let letters = engine.dead_letters().list().map_err(ErrorBody::internal)?;
    let damaged = engine.dead_letters().damaged().map_err(ErrorBody::internal)?;
    Ok(json!({
        "deadLetters": letters.iter().map(super::letter::short).collect::<Vec<_>>(),
        "damaged": damaged.iter().map(super::letter::damaged).collect::<Vec<_>>(),
    }))
}

fn show_dead(engine: &Engine, params: &Value) -> Result<Value, ErrorBody> {
    if let Some(id) = damaged_id(params) {
        let damaged = engine.dead_letters().damaged().map_err(ErrorBody::internal)?;
        let found = damaged.iter().find(|damaged| damaged.id() == id);
        return found.map(super::letter::damaged_whole).ok_or_else(|| no_damaged(id));
    }
    let id = letter_id(params)?;
    let letter = engine.dead_letters().get(id).map_err(ErrorBody::internal)?;
    letter.map(|letter| super::letter::whole(&letter)).ok_or_else(|| {
        ErrorBody::not_found(format!("there is no dead letter {id}; list them to see which are"))
    })
}

async fn replay_dead(engine: Engine, params: Value) -> Result<Value, ErrorBody> {
    if let Some(id) = damaged_id(&params) {
        let text = format!("{id} is damaged and can't be put back to work; it can only be dropped");
        return Err(ErrorBody::invalid(text));
    }
    let result = engine.dead_letters().replay(letter_id(&params)?).await;
    result.map(|text| json!({"result": text})).map_err(ErrorBody::not_found)
}

async fn drop_dead(engine: Engine, params: Value) -> Result<Value, ErrorBody> {
    if let Some(id) = damaged_id(&params) {
        let dropped =
            engine.dead_letters().forget_damaged(id).await.map_err(ErrorBody::internal)?;
        let text = format!("{id} is dropped");
        return dropped.then(|| json!({"result": text})).ok_or_else(|| no_damaged(id));
    }
    let id = letter_id(&params)?;
    let result = engine.dead_letters().drop_letter(id).await;
    result.map(|()| json!({"result": format!("{id} is dropped")})).map_err(ErrorBody::not_found)
}

/// `q` and the eight digits of a damaged record.
fn damaged_id(params: &Value) -> Option<&str> {
    params.get("id").and_then(Value::as_str).filter(|id| id.starts_with('q'))
}

fn no_damaged(id: &str) -> ErrorBody {
    ErrorBody::not_found(format!("there is no damaged record {id}; list them to see which are"))
}

/// `d7` or `7`.
fn letter_id(params: &Value) -> Result<DeadLetterId, ErrorBody> {
    let id = params.get("id").and_then(Value::as_str).unwrap_or_default();
    id.strip_prefix('d')
        .unwrap_or(id)
        .parse()
        .map(DeadLetterId)
        .map_err(|_| ErrorBody::invalid(format!("params.id: {id:?} is no dead letter, such as d7")))
}
