//! Beginning anew with what the config file says now.

use serde::Deserialize;
use serde_json::{Value, json};

use super::config_file::read_file;
use super::config_write::check;
use super::params::{Nothing, Text, read};
use super::{Answer, Call, ErrorBody, Method, Scope, ready};
use crate::restart::Restart;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "gateway.restart.preflight",
        scope: Scope::Read,
        about: "what a restart would have to wait for",
        run: |call| ready(preflight(&call)),
    },
    Method {
        name: "gateway.restart.request",
        scope: Scope::Admin,
        about: "finish what is under way and begin anew with the config as it is now",
        run: |call| blocking(call, request),
    },
    Method {
        name: "secrets.reload",
        scope: Scope::Admin,
        about: "read all secrets anew: the same, once they are all there",
        run: |call| blocking(call, reload_secrets),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RequestParams {
    reason: Option<String>,
    #[serde(default)]
    skip_deferral: bool,
    #[serde(default)]
    safe: bool,
    target: Option<Value>,
    restart_intent: Option<Text>,
}

fn preflight(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("gateway.restart.preflight", call.params.clone())?;
    Ok(state(call))
}

/// What is under way; a restart waits for it. Of what is not finished by then, messages and replies
/// go on afterwards, and commands and calls are cut off.
fn state(call: &Call) -> Value {
    let load = call.engine.load();
    let mut blockers = Vec::new();
    for (kind, count, what) in [
        ("turns", load.waiting, "messages are being answered"),
        ("replies", load.undelivered, "replies are on their way"),
        ("commands", load.commands, "commands of jobs run"),
        ("calls", load.calls, "calls of tools and nodes run"),
    ] {
        if count > 0 {
            blockers.push(json!({"kind": kind, "count": count, "message": what}));
        }
    }
    let is_safe = blockers.is_empty();
    let summary = if is_safe { "safe to restart now" } else { "a restart waits for these first" };
    json!({
        "safe": is_safe,
        "counts": {
            "queueSize": load.waiting,
            "pendingReplies": load.undelivered,
            "runningCommands": load.commands,
            "runningCalls": load.calls,
            "totalActive": load.waiting + load.undelivered + load.commands + load.calls,
        },
        "blockers": blockers,
        "summary": summary,
    })
}

fn request(call: &Call) -> Result<Value, ErrorBody> {
    let params: RequestParams = read("gateway.restart.request", call.params.clone())?;
    let wrong =
        |why: &str| ErrorBody::invalid(format!("invalid gateway.restart.request params: {why}"));
    if params.target.is_some() || params.restart_intent.is_some() || params.safe {
        return Err(wrong("target, safe and restartIntent are not supported by this gateway"));
    }
    let restart = able(call)?;
    let preflight = state(call);
    let why = params.reason.as_deref().unwrap_or("asked for");
    tracing::info!(by = call.caller.name, why, "a restart is asked for");
    let is_first = restart.ask(params.skip_deferral);
    let status = match (is_first, preflight["safe"] == true || params.skip_deferral) {
        (false, _) => "coalesced",
        (true, true) => "scheduled",
        (true, false) => "deferred",
    };
    Ok(json!({
        "ok": true, "status": status, "pid": std::process::id(), "preflight": preflight,
    }))
}

fn reload_secrets(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("secrets.reload", call.params.clone())?;
    let restart = able(call)?;
    tracing::info!(by = call.caller.name, "the secrets are to be read anew");
    restart.ask(false);
    Ok(json!({"ok": true, "warningCount": 0}))
}

/// The way to ask, if the service could start with the config as it is.
fn able(call: &Call) -> Result<&Restart, ErrorBody> {
    let restart = call.host.restart.as_ref();
    let restart = restart
        .ok_or_else(|| ErrorBody::unavailable("an embedded engine is restarted by its program"))?;
    let file = read_file(call)?;
    check(&file.path, &file.path).map_err(ErrorBody::invalid)?;
    Ok(restart)
}

/// Files may lie on a disk that has gone away: never on a thread that serves others.
fn blocking(call: Call, work: fn(&Call) -> Result<Value, ErrorBody>) -> Answer {
    Box::pin(async move {
        tokio::task::spawn_blocking(move || work(&call)).await.map_err(ErrorBody::internal)?
    })
}
