//! What waits for a node: what it is to be asked once it comes (`enqueue`, `drain`), and what it was
//! asked and could not do yet (`pull`, `ack`).
//!
//! What is wanted of a node is handed over once, and gone when it is told: asked for twice it would
//! be done twice. An action stays until the node says that it has taken it over.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::clock::Timestamp;
use telson_actors::node::action::NodeAction;
use telson_actors::node::work::{WorkItem, WorkKind};

use super::{is_denied, unknown};
use crate::methods::params::{Nothing, Text, read};
use crate::methods::{Call, ErrorBody, Role};
use crate::turns::Turn;

/// How long something is wanted where nobody says, and at most.
const WANTED_MAX: Duration = Duration::from_hours(24);
/// How short somebody may say.
const WANTED_MIN: Duration = Duration::from_secs(1);
/// Pieces that are handed over where nobody says how many, and at most.
const HANDED: u64 = 4;
const HANDED_MAX: u64 = 10;
/// What every node is asked when it looks for work, and none of it is that.
const STANDING: &str = "baseline-status";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EnqueueParams {
    node_id: Text,
    #[serde(rename = "type")]
    kind: Kind,
    priority: Option<Priority>,
    expires_in_ms: Option<u64>,
    /// Nobody here can wake a node.
    #[expect(dead_code, reason = "told as wakeTriggered: false")]
    wake: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
enum Kind {
    #[serde(rename = "status.request")]
    Status,
    #[serde(rename = "location.request")]
    Location,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Priority {
    Normal,
    High,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DrainParams {
    max_items: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AckParams {
    ids: Vec<Text>,
}

/// Something is wanted of a node, whether it is here or not.
pub(super) async fn enqueue(call: Call) -> Result<Value, ErrorBody> {
    let params: EnqueueParams = read("node.pending.enqueue", call.params.clone())?;
    let wanted = params.expires_in_ms.map_or(WANTED_MAX, Duration::from_millis);
    if !(WANTED_MIN..=WANTED_MAX).contains(&wanted) {
        let wrong = "invalid node.pending.enqueue params: at expiresInMs: 1000 to 86400000";
        return Err(ErrorBody::invalid(wrong));
    }
    let id = params.node_id.as_str();
    let _turn = call.host.guests.nodes().turn(id).await;
    if !is_node(&call, id)? {
        return Err(unknown(&params.node_id));
    }
    let now = call.engine.clock().now();
    let mut work = call.engine.node_work(id, now).map_err(ErrorBody::internal)?;
    let until = now.0.saturating_add(i64::try_from(wanted.as_millis()).unwrap_or(i64::MAX));
    let kind = match params.kind {
        Kind::Status => WorkKind::Status,
        Kind::Location => WorkKind::Location,
    };
    let item = work.add(WorkItem {
        id: crate::hex::random::<16>().map_err(ErrorBody::internal)?,
        kind,
        is_urgent: params.priority == Some(Priority::High),
        at: now,
        until: Timestamp(until),
    });
    call.engine.keep_node_work(id, &work).await.map_err(unwritten)?;
    Ok(json!({
        "nodeId": id, "revision": work.revision, "queued": shown(&item), "wakeTriggered": false,
    }))
}

/// Whether it may come as a node, or was ever allowed something as one.
fn is_node(call: &Call, id: &str) -> Result<bool, ErrorBody> {
    let device = call.host.devices.get(call.engine.store(), id).map_err(ErrorBody::internal)?;
    if device.is_some_and(|device| device.has_role(Role::Node)) {
        return Ok(true);
    }
    Ok(call.engine.node(id).map_err(ErrorBody::internal)?.is_some())
}

/// A node takes what is wanted of it.
pub(super) async fn drain(call: Call) -> Result<Value, ErrorBody> {
    let params: DrainParams = read("node.pending.drain", call.params.clone())?;
    let max = params.max_items.unwrap_or(HANDED);
    if !(1..=HANDED_MAX).contains(&max) {
        let wrong = "invalid node.pending.drain params: at maxItems: 1 to 10";
        return Err(ErrorBody::invalid(wrong));
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let (id, _turn) = own_turn(&call).await?;
    let now = call.engine.clock().now();
    let mut work = call.engine.node_work(&id, now).map_err(ErrorBody::internal)?;
    let has_status = work.items.iter().any(|item| item.kind == WorkKind::Status);
    let handed = work.hand_over(max);
    if !handed.items.is_empty() {
        // Before it is told: a life that ends now asks for nothing twice.
        call.engine.keep_node_work(&id, &work).await.map_err(unwritten)?;
    }
    let mut items: Vec<Value> = handed.items.iter().map(shown).collect();
    let (is_due, has_room) = (!has_status, items.len() < max);
    if is_due && has_room {
        items.push(json!({
            "id": STANDING, "type": "status.request", "priority": "default",
            "createdAtMs": now, "expiresAtMs": null,
        }));
    }
    let has_more = handed.has_more || (is_due && !has_room);
    Ok(json!({"nodeId": id, "revision": work.revision, "items": items, "hasMore": has_more}))
}

/// A node looks at what it could not do; it stays until it says that it has taken it over.
pub(super) async fn pull(call: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("node.pending.pull", call.params.clone())?;
    let (id, _turn) = own_turn(&call).await?;
    let actions: Vec<Value> = may_do(&call, &id)
        .await?
        .into_iter()
        .map(|action| {
            json!({
                "id": action.id,
                "command": action.command,
                "paramsJSON": action.params,
                "enqueuedAtMs": action.at,
            })
        })
        .collect();
    Ok(json!({"nodeId": id, "actions": actions}))
}

/// It has taken some of it over.
pub(super) async fn ack(call: Call) -> Result<Value, ErrorBody> {
    let params: AckParams = read("node.pending.ack", call.params.clone())?;
    if params.ids.is_empty() {
        return Err(ErrorBody::invalid("invalid node.pending.ack params: at ids: none"));
    }
    let (id, _turn) = own_turn(&call).await?;
    let mut seen = BTreeSet::new();
    let acked: Vec<&str> =
        params.ids.iter().map(Text::as_str).filter(|it| seen.insert(*it)).collect();
    let known = may_do(&call, &id).await?;
    let (gone, left): (Vec<&NodeAction>, Vec<_>) =
        known.iter().partition(|action| seen.contains(action.id.as_str()));
    let gone = gone.into_iter().map(|action| action.id.as_str());
    call.engine.forget_node_actions(&id, gone).await.map_err(unwritten)?;
    Ok(json!({"nodeId": id, "ackedIds": acked, "remainingCount": left.len()}))
}

/// What waits for a node, is still wanted, and may still be asked of it; the rest is forgotten.
async fn may_do(call: &Call, id: &str) -> Result<Vec<NodeAction>, ErrorBody> {
    let now = call.engine.clock().now();
    let record = call.engine.node(id).map_err(ErrorBody::internal)?;
    let offered = call.host.guests.nodes().offered(id);
    let all = call.engine.node_actions(id).map_err(ErrorBody::internal)?;
    let (kept, gone): (Vec<_>, Vec<_>) = all.into_iter().partition(|action| {
        let command = &action.command;
        let is_allowed = record.as_ref().is_some_and(|node| node.commands.contains(command));
        action.is_wanted(now)
            && is_allowed
            && offered.contains(command)
            && !is_denied(call, command)
    });
    if !gone.is_empty() {
        let gone = gone.iter().map(|action| action.id.as_str());
        call.engine.forget_node_actions(id, gone).await.map_err(unwritten)?;
    }
    Ok(kept)
}

/// The node that calls; one that has come again over another connection is asked there.
fn own_id(call: &Call) -> Result<String, ErrorBody> {
    call.host.guests.nodes().of_connection(&call.caller.name).ok_or_else(|| {
        ErrorBody::unavailable("the node is connected anew; what waits for it is told there")
            .with(json!({"code": "PAIRING_CHANGED"}))
    })
}

/// The same, with the turn of that node.
async fn own_turn(call: &Call) -> Result<(String, Turn<String>), ErrorBody> {
    let turn = call.host.guests.nodes().turn(&own_id(call)?).await;
    // It may have been removed meanwhile.
    Ok((own_id(call)?, turn))
}

fn unwritten(error: telson_actors::store::StoreError) -> ErrorBody {
    ErrorBody::unavailable(error.to_string())
}

fn shown(item: &WorkItem) -> Value {
    let kind = match item.kind {
        WorkKind::Status => "status.request",
        WorkKind::Location => "location.request",
    };
    json!({
        "id": item.id,
        "type": kind,
        "priority": if item.is_urgent { "high" } else { "normal" },
        "createdAtMs": item.at,
        "expiresAtMs": item.until,
    })
}
