//! Nodes: which there are, and what they are allowed.

mod answer;
mod invoke;
mod pending;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::node::NodeRecord;

use super::params::{Nothing, Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::config::Config;
use crate::gateway::nodes::{Pending, Seen};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "node.list",
        scope: Scope::Read,
        about: "the nodes",
        run: |call| ready(list(&call)),
    },
    Method {
        name: "node.describe",
        scope: Scope::Read,
        about: "one node",
        run: |call| ready(describe(&call)),
    },
    Method {
        name: "node.rename",
        scope: Scope::Pairing,
        about: "what people call a node",
        run: |call| Box::pin(rename(call)),
    },
    Method {
        name: "node.pair.list",
        scope: Scope::Pairing,
        about: "nodes that wait to be allowed something, and those that are",
        run: |call| ready(pairs(&call)),
    },
    Method {
        name: "node.pair.approve",
        scope: Scope::Pairing,
        about: "allow a node what it offers",
        run: |call| Box::pin(approve(call)),
    },
    Method {
        name: "node.pair.reject",
        scope: Scope::Pairing,
        about: "do not",
        run: |call| ready(reject(&call)),
    },
    Method {
        name: "node.pair.remove",
        scope: Scope::Pairing,
        about: "allow a node nothing any more",
        run: |call| Box::pin(remove(call)),
    },
    Method {
        name: "node.invoke",
        scope: Scope::Write,
        about: "ask a node to do something",
        run: |call| Box::pin(invoke::invoke(call)),
    },
    Method {
        name: "node.invoke.result",
        scope: Scope::Read,
        about: "what a node has done",
        run: |call| Box::pin(answer::result(call)),
    },
    Method {
        name: "node.invoke.progress",
        scope: Scope::Read,
        about: "what a node says while it does it",
        run: |call| ready(answer::progress(&call)),
    },
    Method {
        name: "node.pending.enqueue",
        scope: Scope::Write,
        about: "ask a node something once it comes",
        run: |call| Box::pin(pending::enqueue(call)),
    },
    Method {
        name: "node.pending.drain",
        scope: Scope::Read,
        about: "what a node is to be asked, handed over",
        run: |call| Box::pin(pending::drain(call)),
    },
    Method {
        name: "node.pending.pull",
        scope: Scope::Read,
        about: "what a node could not do yet",
        run: |call| Box::pin(pending::pull(call)),
    },
    Method {
        name: "node.pending.ack",
        scope: Scope::Read,
        about: "a node has taken that over",
        run: |call| Box::pin(pending::ack(call)),
    },
    Method {
        name: "node.event",
        scope: Scope::Read,
        about: "what happens on a node",
        run: |call| ready(event(call)),
    },
];

/// Commands that reach further than what a node shows of itself: they need everything. So does
/// whatever begins like the last one.
const ADMIN_COMMANDS: [&str; 2] = ["browser.proxy", "fs.listDir"];
const ADMIN_BEGINNING: &str = "system.run";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NodeParams {
    node_id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RenameParams {
    node_id: Text,
    display_name: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RequestParams {
    request_id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "nothing here acts on what happens on nodes")]
struct EventParams {
    event: Text,
    payload: Option<Value>,
    #[serde(rename = "payloadJSON")]
    payload_json: Option<String>,
}

fn list(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("node.list", call.params.clone())?;
    let now = call.engine.clock().now().0;
    Ok(json!({"ts": now, "nodes": nodes(call)?}))
}

fn describe(call: &Call) -> Result<Value, ErrorBody> {
    let params: NodeParams = read("node.describe", call.params.clone())?;
    let mut node = nodes(call)?
        .into_iter()
        .find(|node| node["nodeId"] == params.node_id.as_str())
        .ok_or_else(|| unknown(&params.node_id))?;
    node["ts"] = json!(call.engine.clock().now().0);
    Ok(node)
}

fn unknown(id: &Text) -> ErrorBody {
    ErrorBody::invalid(format!("unknown nodeId {:?}; node.list shows them", id.as_str()))
}

/// Every node: those that are allowed something, and those that were seen.
fn nodes(call: &Call) -> Result<Vec<Value>, ErrorBody> {
    let records = call.engine.nodes().map_err(ErrorBody::internal)?;
    let seen = call.host.guests.nodes().seen();
    let pending = pending(call, &records);
    let mut ids: Vec<String> = records.iter().map(|node| node.id.clone()).collect();
    ids.extend(seen.keys().filter(|id| !records.iter().any(|node| node.id == **id)).cloned());
    let node = |id: &String| {
        let record = records.iter().find(|node| node.id == *id);
        let request = pending.iter().find(|request| request.node_id == *id);
        shown(call, id, record, seen.get(id), request)
    };
    Ok(ids.iter().map(node).collect())
}

fn shown(
    call: &Call,
    id: &str,
    record: Option<&NodeRecord>,
    seen: Option<&Seen>,
    request: Option<&Pending>,
) -> Value {
    let platform = seen.map(|seen| &seen.client.platform).or(record.map(|node| &node.platform));
    let version = seen.map(|seen| &seen.client.version).or(record.map(|node| &node.version));
    let client = seen.map(|seen| &seen.client.id).or(record.map(|node| &node.client));
    let commands: Vec<&String> =
        record.iter().flat_map(|node| &node.commands).filter(|it| !is_denied(call, it)).collect();
    let mut node = json!({
        "nodeId": id,
        "platform": platform,
        "version": version,
        "clientId": client,
        "clientMode": "node",
        "caps": record.map(|node| node.caps.clone()).unwrap_or_default(),
        "commands": commands,
        "approvalState": if request.is_some() { "pending-approval" } else { "approved" },
        "paired": record.is_some(),
        "connected": seen.is_some_and(|seen| seen.connection.is_some()),
    });
    if let Some(name) = record.and_then(|node| node.display_name.as_ref()) {
        node["displayName"] = json!(name);
    }
    if let Some(record) = record {
        node["approvedAtMs"] = json!(record.approved_at);
    }
    if let Some(seen) = seen {
        node["lastSeenAtMs"] = json!(seen.at);
    }
    if let Some(request) = request {
        node["pendingRequestId"] = json!(request.request_id);
        node["pendingDeclaredCaps"] = json!(request.caps);
        node["pendingDeclaredCommands"] = json!(request.commands);
    }
    node
}

fn pending(call: &Call, records: &[NodeRecord]) -> Vec<Pending> {
    call.host.guests.nodes().pending(records, call.engine.clock().now().0)
}

async fn rename(call: Call) -> Result<Value, ErrorBody> {
    let params: RenameParams = read("node.rename", call.params.clone())?;
    let id = params.node_id.as_str();
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let record = call.engine.node(id).map_err(ErrorBody::internal)?;
    let mut record = record.ok_or_else(|| unknown(&params.node_id))?;
    record.display_name = Some(params.display_name.to_string());
    call.engine.allow_node(&record).await.map_err(ErrorBody::internal)?;
    Ok(json!({"nodeId": id, "displayName": params.display_name}))
}

fn pairs(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("node.pair.list", call.params.clone())?;
    let records = call.engine.nodes().map_err(ErrorBody::internal)?;
    let paired = records.iter().map(|node| {
        json!({
            "nodeId": node.id,
            "displayName": node.display_name,
            "platform": node.platform,
            "version": node.version,
            "clientId": node.client,
            "caps": node.caps,
            "commands": node.commands,
            "approvedAtMs": node.approved_at,
        })
    });
    let paired: Vec<Value> = paired.collect();
    let pending = pending(call, &records).into_iter().map(|request| {
        let scopes = [needed(&request.commands).name()];
        let mut shown = json!(request);
        shown["requiredApproveScopes"] = json!(scopes);
        shown
    });
    Ok(json!({"pending": pending.collect::<Vec<_>>(), "paired": paired}))
}

/// Who may allow these commands.
fn needed(commands: &[String]) -> Scope {
    let reaches_far = commands.iter().any(|command| is_admin(command));
    if reaches_far { Scope::Admin } else { Scope::Pairing }
}

fn is_admin(command: &str) -> bool {
    ADMIN_COMMANDS.iter().any(|name| {
        command.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }) || command.starts_with(ADMIN_BEGINNING)
        || command.contains("execApprovals")
}

async fn approve(call: Call) -> Result<Value, ErrorBody> {
    // A device that is removed meanwhile is not allowed anything by this.
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    let request = requested("node.pair.approve", &call)?;
    let scope = needed(&request.commands);
    if !call.caller.may(scope) {
        return Err(ErrorBody::missing_scope(scope.name()));
    }
    let before = call.engine.node(&request.node_id).map_err(ErrorBody::internal)?;
    let record = NodeRecord {
        id: request.node_id.clone(),
        display_name: before.and_then(|node| node.display_name),
        platform: request.platform.clone(),
        client: request.client_id.clone(),
        version: request.version.clone(),
        caps: request.caps.clone(),
        commands: request.commands.clone(),
        approved_at: call.engine.clock().now(),
    };
    call.engine.allow_node(&record).await.map_err(ErrorBody::internal)?;
    resolved(&call, &request, "approved");
    Ok(json!({
        "requestId": request.request_id,
        "node": {
            "nodeId": record.id,
            "caps": record.caps,
            "commands": record.commands,
            "approvedAtMs": record.approved_at,
        },
    }))
}

fn reject(call: &Call) -> Result<Value, ErrorBody> {
    let request = requested("node.pair.reject", call)?;
    call.host.guests.nodes().refuse(&request.node_id);
    resolved(call, &request, "rejected");
    Ok(json!({"requestId": request.request_id, "nodeId": request.node_id}))
}

fn requested(method: &str, call: &Call) -> Result<Pending, ErrorBody> {
    let params: RequestParams = read(method, call.params.clone())?;
    let records = call.engine.nodes().map_err(ErrorBody::internal)?;
    let id = params.request_id.as_str();
    pending(call, &records)
        .into_iter()
        .find(|request| request.request_id == id)
        .ok_or_else(|| ErrorBody::invalid(format!("unknown requestId {id:?}")))
}

fn resolved(call: &Call, request: &Pending, decision: &str) {
    let payload = json!({
        "requestId": request.request_id,
        "nodeId": request.node_id,
        "decision": decision,
        "ts": call.engine.clock().now().0,
    });
    call.host.hub.tell("node.pair.resolved", Some(Scope::Pairing), payload);
}

async fn remove(call: Call) -> Result<Value, ErrorBody> {
    let params: NodeParams = read("node.pair.remove", call.params.clone())?;
    let id = params.node_id.as_str();
    let _turn = call.host.guests.nodes().turn(id).await;
    let devices = call.host.devices.clone();
    let _change = devices.change().await;
    if !call.engine.forget_node(id).await.map_err(ErrorBody::internal)? {
        return Err(unknown(&params.node_id));
    }
    call.host.guests.nodes().forget(id);
    Ok(json!({"nodeId": id, "removed": true}))
}

fn is_denied(call: &Call, command: &str) -> bool {
    let denied =
        |config: &Config| config.gateway.nodes.commands.deny.iter().any(|it| it == command);
    call.host.config.as_ref().is_some_and(denied)
}

fn event(call: Call) -> Result<Value, ErrorBody> {
    let params: EventParams = read("node.event", call.params)?;
    let reason = "nothing here acts on events of nodes";
    Ok(json!({"ok": true, "event": params.event, "handled": false, "reason": reason}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_programs_needs_an_administrator() {
        for command in [
            "system.run",
            "system.run.prepare",
            "system.runX",
            "system.runAs",
            "browser.proxy",
            "fs.listDir",
            "system.execApprovals.set",
        ] {
            assert_eq!(needed(&[command.to_owned()]), Scope::Admin, "{command}");
        }
        for command in ["system.which", "system", "fs.listDirs", "camera.snap"] {
            assert_eq!(needed(&[command.to_owned()]), Scope::Pairing, "{command}");
        }
    }
}
