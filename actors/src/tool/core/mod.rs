//! The tools that come with the program: files, commands, the web, messages, sessions.
//!
//! None of them is given to anybody by itself; the agent's [policy](super::policy) decides. Files
//! stay below the agent's workspace. Whatever reaches other people goes through the journal, keyed
//! by the call, so that a call made twice acts once.

mod cron;
mod effect;
pub mod exec;
mod fs;
mod message;
mod place;
pub mod reach;
mod sessions;
pub mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use self::exec::{Exec, ExecSettings};
use self::fs::{Edit, Read, Workspaces, Write};
use self::message::Message;
use self::reach::{CrossContext, Reach};
use self::sessions::{SessionsHistory, SessionsList, SessionsSend};
use self::web::{FetchSettings, WebFetch};
use super::{Invocation, Tool};
use crate::clock::Clock;
use crate::cron::Cron;
use crate::outbox::Outbox;
use crate::router::Admissions;
use crate::store::Store;

pub use effect::{EffectRecord, effect_prefix, sent_by_turn};

/// The names of the tools that exist.
pub const NAMES: [&str; 10] = [
    "cron",
    "edit",
    "exec",
    "message",
    "read",
    "sessions_history",
    "sessions_list",
    "sessions_send",
    "web_fetch",
    "write",
];

/// How the core tools behave.
#[derive(Debug, Clone, Default)]
pub struct CoreSettings {
    /// The workspace of each agent. An agent without one has no files and runs no commands.
    pub workspaces: BTreeMap<String, PathBuf>,
    /// Folders whose content no file tool touches, although a workspace may hold them: our own.
    pub private: Vec<PathBuf>,
    /// Fetching from the web.
    pub fetch: FetchSettings,
    /// Running commands.
    pub exec: ExecSettings,
    /// Whose sessions an agent may see and write into.
    pub reach: Reach,
    /// Which conversations a message may go to besides its own.
    pub cross: CrossContext,
    /// Who owns the gateway, as `channel:id`: only they may have an agent make jobs.
    pub owners: BTreeSet<String>,
    /// The agents that may run commands at all: only they may be told to make jobs that do.
    pub commanders: BTreeSet<String>,
}

/// What the core tools work on.
#[derive(Clone)]
pub struct CoreDeps {
    /// Sessions and what was sent.
    pub store: Store,
    /// The way out.
    pub outbox: Outbox,
    /// The way in.
    pub admissions: Admissions,
    /// Time.
    pub clock: Clock,
    /// The jobs, where there are any.
    pub cron: Option<Cron>,
}

/// All of them.
pub fn tools(settings: &CoreSettings, deps: &CoreDeps) -> Vec<Arc<dyn Tool>> {
    let CoreSettings { workspaces, private, fetch, exec, reach, cross, owners, commanders } =
        settings.clone();
    let workspaces = Arc::new(Workspaces::new(workspaces, private));
    let reach = Arc::new(reach);
    let cron = deps.cron.clone();
    let rights = cron::Rights { owners, commanders };
    let cron =
        cron.map(|jobs| Arc::new(cron::Cron { deps: deps.clone(), jobs, rights }) as Arc<dyn Tool>);
    let mut tools: Vec<Arc<dyn Tool>> = vec![
        Arc::new(Read(workspaces.clone())),
        Arc::new(Write(workspaces.clone())),
        Arc::new(Edit(workspaces.clone())),
        Arc::new(Exec::new(workspaces, exec)),
        Arc::new(WebFetch(fetch)),
        Arc::new(Message { deps: deps.clone(), cross }),
        Arc::new(SessionsList { deps: deps.clone(), reach: reach.clone() }),
        Arc::new(SessionsHistory { deps: deps.clone(), reach: reach.clone() }),
        Arc::new(SessionsSend { deps: deps.clone(), reach }),
    ];
    tools.extend(cron);
    tools
}

/// A text argument; empty text counts as absent.
fn text<'a>(call: &'a Invocation, name: &str) -> Option<&'a str> {
    call.arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text argument the schema requires.
fn required<'a>(call: &'a Invocation, name: &str) -> Result<&'a str, String> {
    call.arguments
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("arguments.{name} is missing"))
}

/// A count, which JSON may write as `3.0`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative and huge numbers become the nearest count there is"
)]
fn count(call: &Invocation, name: &str, default: usize) -> usize {
    match call.arguments.get(name) {
        Some(Value::Number(number)) => number.as_f64().map_or(default, |number| number as usize),
        _ => default,
    }
}

/// Does blocking work on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("the tool crashed: {error}"))?
}
