//! What nodes say about what they were asked: how it goes on, and what it came to.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::answer::CallEnd;
use telson_actors::node::action::{NodeAction, is_behind};

use super::invoke::{INVOKE, kept_under};
use crate::gateway::nodes::Outcome;
use crate::methods::params::{Text, read};
use crate::methods::{Call, ErrorBody};

/// What a call came to that waits for its node.
pub(super) const DEFERRED: &str = "QUEUED_UNTIL_FOREGROUND";
/// Longest piece of what a node says while it does something, in bytes.
const PIECE_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ResultParams {
    id: Text,
    node_id: Text,
    ok: bool,
    payload: Option<Value>,
    #[serde(rename = "payloadJSON")]
    payload_json: Option<String>,
    error: Option<NodeError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeError {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ProgressParams {
    invoke_id: Text,
    node_id: Text,
    seq: u64,
    chunk: String,
}

/// What a node says before it has done what it was asked.
pub(super) fn progress(call: &Call) -> Result<Value, ErrorBody> {
    let params: ProgressParams = read("node.invoke.progress", call.params.clone())?;
    if params.chunk.len() > PIECE_BYTES_MAX {
        let wrong = format!(
            "invalid node.invoke.progress params: at chunk: {} bytes, at most {PIECE_BYTES_MAX}",
            params.chunk.len()
        );
        return Err(ErrorBody::invalid(wrong));
    }
    let nodes = call.host.guests.nodes();
    let node = params.node_id.as_str();
    if nodes.of_connection(&call.caller.name).as_deref() != Some(node) {
        return Err(not_its_own());
    }
    let is_heard = nodes.progressed(node, params.invoke_id.as_str(), params.seq, params.chunk);
    Ok(json!({"ok": true, "ignored": !is_heard}))
}

fn not_its_own() -> ErrorBody {
    ErrorBody::invalid("nodeId mismatch: a node answers for itself")
}

pub(super) async fn result(call: Call) -> Result<Value, ErrorBody> {
    let params: ResultParams = read("node.invoke.result", call.params.clone())?;
    let nodes = call.host.guests.nodes();
    let own = nodes.of_connection(&call.caller.name);
    let id = params.id.to_string();
    if own.as_deref() != Some(params.node_id.as_str()) {
        return Err(not_its_own());
    }
    let outcome = if params.ok {
        let parsed = params.payload_json.as_deref().map(serde_json::from_str).transpose();
        let parsed = parsed.map_err(|error| {
            ErrorBody::invalid(format!(
                "invalid node.invoke.result params: at payloadJSON: {error}"
            ))
        })?;
        Ok(parsed.or(params.payload).unwrap_or_default())
    } else {
        let error = params.error.unwrap_or(NodeError { code: None, message: None });
        let message = error.message.unwrap_or_else(|| "node invoke failed".into());
        // That word is ours.
        let code = error.code.filter(|code| code != DEFERRED);
        Err((code.unwrap_or_else(|| "UNAVAILABLE".into()), message))
    };
    // Kept before it is told: whoever asked may have left, and asks again.
    let kept = kept_under(params.node_id.as_str(), &id);
    let told = deferred(&call, params.node_id.as_str(), (&id, &kept), &outcome).await;
    let outcome = if let Some(told) = told {
        Err(told)
    } else {
        let end = match &outcome {
            Ok(payload) => CallEnd::done(payload.to_string()),
            Err((code, message)) => CallEnd::failed(code, message),
        };
        if let Err(error) = call.engine.end_call(INVOKE, &kept, end).await {
            tracing::warn!(%error, "what a node has answered was not kept");
        }
        outcome
    };
    let is_heard = nodes.answered(params.node_id.as_str(), &id, &outcome);
    Ok(if is_heard { json!({"ok": true}) } else { json!({"ok": true, "ignored": true}) })
}

/// Keeps what a node could not do because nobody looks at it, together with the end of the call;
/// answers what its asker is told, if it waits now.
async fn deferred(
    call: &Call,
    node: &str,
    (id, kept): (&str, &str),
    outcome: &Outcome,
) -> Option<(String, String)> {
    let (code, message) = outcome.as_ref().err()?;
    if !is_behind(code, message) {
        return None;
    }
    let nodes = call.host.guests.nodes();
    let _turn = nodes.turn(node).await;
    // Gone with a node that was removed meanwhile.
    let asked = nodes.deferrable(node, id)?;
    let action = NodeAction {
        id: id.to_owned(),
        command: asked.command,
        params: asked.params,
        at: call.engine.clock().now(),
    };
    let told = "node command queued until the node is in front again".to_owned();
    let end = CallEnd::failed(DEFERRED, &told);
    match call.engine.defer_call((INVOKE, kept), end, node, &action).await {
        Ok(true) => Some((DEFERRED.to_owned(), told)),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(%error, "what a node could not do yet was not kept");
            None
        }
    }
}
