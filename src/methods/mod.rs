//! The one method table: name, scope, what it is for, and what it does.
//!
//! A family of methods is a file of its own. What is added here is reachable from every transport:
//! the control socket of the command line, and the gateway's WebSocket.

mod accounts;
mod agent_edit;
mod agent_files;
mod agents;
mod call;
mod catalog;
mod channel_pairing;
mod channels;
pub(crate) mod chat;
mod config;
mod config_file;
mod config_wishes;
mod config_write;
mod cron;
mod cron_params;
mod dead_letters;
mod devices;
mod diagnostics;
mod health;
pub(crate) mod heartbeat;
mod journeys;
mod kept;
mod keys;
mod letter;
mod logs;
mod models;
mod new_work;
mod nodes;
mod once;
mod pairing;
mod params;
mod presence;
pub(crate) mod report;
mod restart;
pub mod rights;
mod role;
mod scope;
mod session_edit;
mod session_list;
mod session_rows;
mod session_texts;
mod sessions;
mod suspend;
mod system;
mod tools;
mod usage;
mod watch;

pub(crate) use crate::gateway::narrator::tale::ATTEMPTS;
pub use call::{Call, Caller, Link};
pub use config_write::ConfigWrites;
pub(crate) use heartbeat::wire as heartbeat_wire;
pub use kept::Kept;
pub(crate) use new_work::Taking;
pub use role::Role;
pub use scope::Scope;
pub(crate) use tools::{NEVER_BY_HAND, UNKNOWN_CALL};
pub(crate) use watch::{ATTEMPTS_METHODS, JOURNEYS};

use std::collections::HashMap;
use std::future::ready as at_once;
use std::sync::{Arc, LazyLock};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use telson_actors::suspension::Pass;

use crate::frame::ErrorBody;

/// What a method answers.
pub type Answer = BoxFuture<'static, Result<Value, ErrorBody>>;

/// One method.
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// What a caller must be allowed to do.
    pub scope: Scope,
    /// What it is for.
    pub about: &'static str,
    pub(crate) run: fn(Call) -> Answer,
}

/// The families, in the order in which they are listed.
const FAMILIES: &[&[Method]] = &[
    health::METHODS,
    diagnostics::METHODS,
    restart::METHODS,
    suspend::METHODS,
    journeys::METHODS,
    usage::METHODS,
    sessions::METHODS,
    chat::METHODS,
    dead_letters::METHODS,
    presence::METHODS,
    system::METHODS,
    channels::METHODS,
    models::METHODS,
    agents::METHODS,
    agent_edit::METHODS,
    catalog::METHODS,
    tools::METHODS,
    session_list::METHODS,
    session_texts::METHODS,
    session_edit::METHODS,
    nodes::METHODS,
    logs::METHODS,
    config::METHODS,
    cron::METHODS,
    heartbeat::METHODS,
    devices::METHODS,
    pairing::METHODS,
    channel_pairing::METHODS,
    keys::METHODS,
    watch::METHODS,
];

/// Every method.
pub fn methods() -> impl Iterator<Item = &'static Method> {
    FAMILIES.iter().copied().flatten()
}

/// Every method by its name.
static BY_NAME: LazyLock<HashMap<&str, &Method>> =
    LazyLock::new(|| methods().map(|method| (method.name, method)).collect());

/// Performs a method, if its caller may.
pub(crate) async fn call(method: &str, call: Call) -> Result<Value, ErrorBody> {
    let (known, _pass) = permitted(method, &call)?;
    (known.run)(call).await
}

/// The same, answered in the text of its JSON.
pub(crate) async fn call_text(method: &str, call: Call) -> Result<Arc<str>, ErrorBody> {
    let (known, _pass) = permitted(method, &call)?;
    if health::is_plain(known, &call.params) {
        return health::kept(call).await;
    }
    Ok((known.run)(call).await?.to_string().into())
}

/// The method, and what counts it until it has answered.
fn permitted(method: &str, call: &Call) -> Result<(&'static Method, Option<Pass>), ErrorBody> {
    let Some(known) = BY_NAME.get(method) else {
        return Err(ErrorBody::invalid(format!("unknown method: {method}")));
    };
    rights::check(known, &call.params, &call.caller)?;
    // Counted before it is looked whether it may: see the intake.
    let pass = new_work::counts(known).then(|| call.engine.suspension().intake().request());
    let looks_from_here = call.link.is_none() && known.scope == Scope::Read;
    new_work::check(known.name, call.engine.taking(), looks_from_here)?;
    Ok((known, pass))
}

/// The same while no engine runs: the service tells that it lives, and what it waits for.
pub(crate) fn call_absent(why: Option<&str>, method: &str) -> Result<Value, ErrorBody> {
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

fn ready(result: Result<Value, ErrorBody>) -> Answer {
    Box::pin(at_once(result))
}

fn to_value(value: impl Serialize) -> Result<Value, ErrorBody> {
    serde_json::to_value(value).map_err(ErrorBody::internal)
}
