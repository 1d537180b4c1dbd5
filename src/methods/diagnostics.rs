//! How stable the service is: how it has ended before, what has failed since, what was restarted.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use telson_supervision::{Node, NodeState};

use super::params::{Count, Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[Method {
    name: "diagnostics.stability",
    scope: Scope::Read,
    about: "ends, panics, dead letters, and what was restarted",
    run: |call| ready(stability(&call)),
}];

/// Most places that are told.
const EVENTS_MAX: usize = 1_000;
/// The kinds of what is told.
const RESTARTED: &str = "supervision.restarted";
const DOWN: &str = "supervision.down";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StabilityParams {
    limit: Option<Count>,
    #[serde(rename = "type")]
    kind: Option<Text>,
    since_seq: Option<u64>,
}

fn stability(call: &Call) -> Result<Value, ErrorBody> {
    let params: StabilityParams = read("diagnostics.stability", call.params.clone())?;
    let (engine, now) = (&call.engine, call.engine.clock().now().0);
    let at = jiff::Timestamp::from_millisecond(now).map_err(ErrorBody::internal)?;
    let (store, load) = (engine.store_stats(), engine.load());
    let mut events = Vec::new();
    let restarts = collect(&engine.tree(), "", now, &mut events);
    let all = events.len();
    let limit = params.limit.map_or(EVENTS_MAX, |limit| {
        usize::try_from(limit.get()).unwrap_or(usize::MAX).min(EVENTS_MAX)
    });
    let kind = params.kind.as_ref().map(Text::as_str);
    let since = params.since_seq.unwrap_or(0);
    events.retain(|event| kind.is_none_or(|kind| event["type"] == kind));
    events.retain(|event| event["seq"].as_u64().is_some_and(|seq| seq > since));
    events.truncate(limit);
    let mut by_type = Map::new();
    for event in &events {
        let kind = event["type"].as_str().unwrap_or_default();
        let count = by_type.get(kind).and_then(Value::as_u64).unwrap_or(0) + 1;
        by_type.insert(kind.to_owned(), json!(count));
    }
    let ended = store.epoch.saturating_sub(1);
    let restart = call.host.restart.as_ref();
    let mut answer = json!({
        "generatedAt": at.to_string(),
        "capacity": EVENTS_MAX,
        "count": events.len(),
        "dropped": all.saturating_sub(EVENTS_MAX),
        "firstSeq": events.first().map(|event| event["seq"].clone()),
        "lastSeq": events.last().map(|event| event["seq"].clone()),
        "summary": {"byType": by_type},
        "uptimeMs": u64::try_from(engine.uptime().as_millis()).unwrap_or(u64::MAX),
        "lives": {
            "starts": store.epoch,
            "cleanEnds": ended.saturating_sub(store.interrupted),
            "uncleanEnds": store.interrupted,
            "wasInterrupted": engine.was_interrupted(),
            "restartsAskedFor": restart.map_or(0, crate::restart::Restart::done),
        },
        "panics": restart.map(crate::restart::Restart::panics),
        "deadLetters": load.dead_letters,
        "damaged": load.damaged,
        "restarts": restarts,
    });
    answer["events"] = Value::Array(events);
    Ok(answer)
}

/// Adds what was restarted or is down below a node, and gives the sum of restarts. A branch that was
/// itself started anew counts from then on.
fn collect(node: &Node, prefix: &str, now: i64, events: &mut Vec<Value>) -> u64 {
    let path = if prefix.is_empty() { node.id.clone() } else { format!("{prefix}/{}", node.id) };
    let mut restarts = u64::from(node.restarts);
    let is_down = matches!(node.state, NodeState::Restarting | NodeState::Tripped);
    if node.restarts > 0 || is_down {
        let up = node.up_ms.and_then(|up| i64::try_from(up).ok()).unwrap_or(0);
        let mut event = json!({
            "seq": events.len() + 1,
            "ts": now.saturating_sub(up),
            "type": if is_down { DOWN } else { RESTARTED },
            "source": path,
            "restarts": node.restarts,
        });
        if let Some(error) = &node.last_error {
            event["reason"] = json!(error);
        }
        events.push(event);
    }
    for child in &node.children {
        restarts += collect(child, &path, now, events);
    }
    restarts
}
