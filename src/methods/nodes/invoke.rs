//! Asking nodes: a call is made once for each key, and what it came to is kept before it is told.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::answer::CallEnd;

use tokio::time::Instant;

use super::answer::DEFERRED;
use super::{is_admin, is_denied};
use crate::gateway::nodes::{Listener, NotSent};
use crate::gateway::own_key::short_hash;
use crate::methods::once::{self, Taken};
use crate::methods::params::{Text, read};
use crate::methods::{Call, ErrorBody, Scope};

/// What calls of nodes are kept under.
pub(super) const INVOKE: &str = "node.invoke";
/// The longest a call may take.
const INVOKE_MAX: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "where a call comes from is not passed on")]
struct InvokeParams {
    node_id: Text,
    command: Text,
    params: Option<Value>,
    timeout_ms: Option<u64>,
    idempotency_key: Text,
    session_key: Option<Text>,
    turn_source_channel: Option<String>,
    turn_source_to: Option<String>,
    turn_source_account_id: Option<String>,
    turn_source_thread_id: Option<Value>,
}

pub(super) async fn invoke(call: Call) -> Result<Value, ErrorBody> {
    let params: InvokeParams = read("node.invoke", call.params.clone())?;
    let (node, command) = (params.node_id.as_str(), params.command.as_str());
    if is_admin(command) && !call.caller.may(Scope::Admin) {
        return Err(ErrorBody::missing_scope(Scope::Admin.name()));
    }
    if is_denied(&call, command) {
        let text =
            format!("node command not allowed: {command:?} is in gateway.nodes.commands.deny");
        return Err(ErrorBody::invalid(text));
    }
    let record = call.engine.node(node).map_err(ErrorBody::internal)?;
    if !record.is_some_and(|node| node.commands.iter().any(|it| it == command)) {
        let text = format!("node command not allowed: nobody has allowed {node:?} {command:?}");
        return Err(ErrorBody::invalid(text));
    }
    let wait = params.timeout_ms.map_or(INVOKE_MAX, Duration::from_millis).min(INVOKE_MAX);
    // The same key is the same call.
    let key = params.idempotency_key.as_str();
    let id = short_hash(&format!("{node}\n{key}"));
    let asked = params.params.as_ref().map_or_else(String::new, Value::to_string);
    let asked = once::digest_of(&[&command, &asked]);
    let nodes = call.host.guests.nodes();
    let kept = kept_under(node, &id);
    let listener = call.link.clone().map(|link| Listener { link, key: key.to_owned() });
    let join = || nodes.join(node, &id, listener.clone());
    let taken = once::take(&call, INVOKE, (&kept, key), asked, join).await?;
    let request = json!({
        "id": id,
        "nodeId": node,
        "command": command,
        "paramsJSON": params.params.map(|params| params.to_string()),
        "timeoutMs": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "idempotencyKey": params.idempotency_key,
    });
    let waiting = match taken {
        Taken::Ended(end) => return ended((node, command), (&id, key), end),
        // Whoever asks again waits for the same answer.
        Taken::Joined(waiting) => waiting,
        Taken::Now(beginning) => {
            let running = call.engine.calls().begin(Some(Instant::now() + wait), None);
            match nodes.ask(node, &id, without_nulls(request), (listener, running)) {
                Ok(waiting) => {
                    beginning.made();
                    waiting
                }
                Err(why) => {
                    let forgotten = beginning.undone().await;
                    forgotten.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
                    return Err(not_sent(why));
                }
            }
        }
    };
    match tokio::time::timeout(wait, waiting).await {
        Err(_) => {
            let text = format!("the node has not answered within {} ms", wait.as_millis());
            Err(ErrorBody::unavailable(text).with(json!({"code": "TIMEOUT"})))
        }
        Ok(Err(_)) => Err(ErrorBody::unavailable("too many newer calls are under way")),
        Ok(Ok(Err((code, message)))) => Err(failed(node, command, &id, (&code, message))),
        Ok(Ok(Ok(payload))) => Ok(given(node, command, &payload)),
    }
}

/// Of each node apart: none has a word in what another was asked.
pub(super) fn kept_under(node: &str, call: &str) -> String {
    format!("{node}\n{call}")
}

fn given(node: &str, command: &str, payload: &Value) -> Value {
    let text = payload.to_string();
    json!({
        "ok": true, "nodeId": node, "command": command, "payload": payload, "payloadJSON": text,
    })
}

fn failed(node: &str, command: &str, id: &str, (code, message): (&str, String)) -> ErrorBody {
    let error = ErrorBody::unavailable(message);
    if code == DEFERRED {
        return error.with(json!({
            "code": DEFERRED,
            "queuedActionId": id,
            "nodeId": node,
            "command": command,
            "wake": {"available": false, "throttled": false},
        }));
    }
    error.with(json!({"nodeError": {"code": code}}))
}

/// What a call came to that was made before.
fn ended(
    (node, command): (&str, &str),
    (id, key): (&str, &str),
    end: CallEnd,
) -> Result<Value, ErrorBody> {
    match end {
        CallEnd::Done(text) => Ok(given(node, command, &once::parsed(&text))),
        CallEnd::Failed(code, message) => Err(failed(node, command, id, (&code, message))),
        CallEnd::TooLong(bytes) => Err(once::too_long(key, bytes)),
        CallEnd::Open | CallEnd::Lost => Err(once::unknown(key)),
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}

fn not_sent(why: NotSent) -> ErrorBody {
    match why {
        NotSent::Away => {
            ErrorBody::unavailable("node not connected").with(json!({"code": "NOT_CONNECTED"}))
        }
        NotSent::Full => ErrorBody::unavailable("too many calls to nodes are under way"),
        NotSent::Unread => ErrorBody::unavailable("the node does not read what it was asked"),
    }
}
