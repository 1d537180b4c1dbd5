//! Making, changing and deleting agents: in the config file, by the same guarded way as every other
//! change of it. A running engine takes it up when it starts anew.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::agent_files::{Folder, put_away};
use super::agents::workspace_of;
use super::config_file::read_file;
use super::config_write::{Base, Draft, current, write};
use super::params::{Text, read};
use super::{Answer, Call, ErrorBody, Method, Scope};
use crate::config::change::{AgentWish, add_agent, agent_id, change_agent, remove_agent};
use crate::workspace;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "agents.create",
        scope: Scope::Admin,
        about: "a new agent, in the config file; a restart applies it",
        run: |call| blocking(call, create),
    },
    Method {
        name: "agents.update",
        scope: Scope::Admin,
        about: "change an agent in the config file; a restart applies it",
        run: |call| blocking(call, update),
    },
    Method {
        name: "agents.delete",
        scope: Scope::Admin,
        about: "take an agent out of the config file; its sessions and files stay unless \
                deleteFiles says otherwise",
        run: |call| Box::pin(delete(call)),
    },
];

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateParams {
    name: Text,
    workspace: Option<Text>,
    model: Option<Text>,
    emoji: Option<String>,
    avatar: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
struct UpdateParams {
    agent_id: Text,
    name: Option<Text>,
    workspace: Option<Text>,
    #[serde(default, deserialize_with = "nullable")]
    model: Option<Option<Text>>,
    emoji: Option<String>,
    avatar: Option<String>,
}

#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Text>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeleteParams {
    agent_id: Text,
    #[serde(default)]
    delete_files: bool,
}

fn create(call: &Call) -> Result<Value, ErrorBody> {
    let params: CreateParams = read("agents.create", call.params.clone())?;
    no_avatar("agents.create", params.avatar.as_ref())?;
    let name = checked_name("agents.create", &params.name)?;
    let id = agent_id(&name).ok_or_else(|| {
        let why = "at name: no id can be made of it; use some of the letters a-z or digits";
        ErrorBody::invalid(format!("invalid agents.create params: {why}"))
    })?;
    let text = |text: &Option<Text>| text.as_ref().map(ToString::to_string);
    let wish = AgentWish {
        name: Some(name.clone()),
        workspace: text(&params.workspace),
        model: params.model.as_ref().map(|model| Some(model.to_string())),
        emoji: params.emoji.filter(|emoji| !emoji.is_empty()),
    };
    write("agents.create", call, Base::Any, &|file| {
        Draft::of(add_agent(&current(file)?, &id, &wish).map_err(ErrorBody::invalid)?)
    })?;
    let mut answer = json!({
        "ok": true, "agentId": id, "name": name, "workspace": new_workspace(call, &id)?,
    });
    if let Some(model) = params.model {
        answer["model"] = json!(model);
    }
    Ok(answer)
}

/// Where an agent that was written down a moment ago will have its files.
fn new_workspace(call: &Call, id: &str) -> Result<PathBuf, ErrorBody> {
    let env = |name: &str| std::env::var(name).ok();
    let file = read_file(call)?;
    let loaded = crate::config::load(&file.path, &env).map_err(ErrorBody::internal)?;
    let state = call.host.state_dir.as_ref();
    let state = state.ok_or_else(|| ErrorBody::unavailable("this engine has no workspaces"))?;
    let all = workspace::workspaces(&loaded.config, state, &env);
    let own = all.get(id).map(|workspace| workspace.dir().to_owned());
    own.ok_or_else(|| ErrorBody::unavailable(format!("agent {id:?} was removed meanwhile")))
}

fn update(call: &Call) -> Result<Value, ErrorBody> {
    let params: UpdateParams = read("agents.update", call.params.clone())?;
    no_avatar("agents.update", params.avatar.as_ref())?;
    let name = params.name.as_ref().map(|name| checked_name("agents.update", name)).transpose()?;
    let wish = AgentWish {
        name,
        workspace: params.workspace.as_ref().map(ToString::to_string),
        model: params.model.map(|model| model.map(|model| model.to_string())),
        emoji: params.emoji,
    };
    let id = params.agent_id.as_str();
    if wish == AgentWish::default() {
        let why = "at root: say what is to be changed";
        return Err(ErrorBody::invalid(format!("invalid agents.update params: {why}")));
    }
    write("agents.update", call, Base::Any, &|file| {
        Draft::of(change_agent(&current(file)?, id, &wish).map_err(ErrorBody::invalid)?)
    })?;
    Ok(json!({"ok": true, "agentId": id}))
}

/// Who is deleted keeps what was said and written unless asked otherwise; and even then that is put
/// away rather than destroyed: sessions into their past lives, the workspace into `trash`.
async fn delete(call: Call) -> Result<Value, ErrorBody> {
    let params: DeleteParams = read("agents.delete", call.params.clone())?;
    let id = params.agent_id.to_string();
    let dir = workspace_of(&call.host, &id);
    let (own, writer) = (id.clone(), call.clone());
    let written = tokio::task::spawn_blocking(move || take_out(&writer, &own)).await;
    let removed_bindings = written.map_err(ErrorBody::internal)??;
    let mut answer = json!({"ok": true, "agentId": id, "removedBindings": removed_bindings});
    if !params.delete_files {
        return Ok(answer);
    }
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    let sessions = call.engine.sessions().await.map_err(ErrorBody::internal)?;
    for facts in sessions.iter().filter(|facts| facts.agent == id) {
        let key = facts.key.as_str();
        match call.engine.remove_session(&facts.key).await {
            Ok(_) => removed.push(json!({"path": key, "method": "trash"})),
            Err(error) => failed.push(json!({"path": key, "reason": error.to_string()})),
        }
    }
    if let Some(dir) = dir {
        let now = call.engine.clock().now().0;
        let (path, (own, caller)) = (dir.clone(), (id.clone(), call.clone()));
        let moved = tokio::task::spawn_blocking(move || {
            let (state, others) = (caller.host.state_dir.as_deref(), others(&caller, &own));
            put_away(&Folder { dir: &dir, state, others: &others }, now)
        });
        match moved.await.map_err(ErrorBody::internal)? {
            Ok(method) => removed.push(json!({"path": path, "method": method})),
            Err(reason) => failed.push(json!({"path": path, "reason": reason})),
        }
    }
    answer["removed"] = json!(removed);
    if !failed.is_empty() {
        answer["failed"] = json!(failed);
        answer["purgeFailed"] = json!(true);
    }
    Ok(answer)
}

fn take_out(call: &Call, id: &str) -> Result<usize, ErrorBody> {
    let removed = std::cell::Cell::new(0);
    write("agents.delete", call, Base::Any, &|file| {
        let (value, bindings) = remove_agent(&current(file)?, id).map_err(ErrorBody::invalid)?;
        removed.set(bindings);
        Draft::of(value)
    })?;
    Ok(removed.get())
}

/// What stays: the config, and the workspaces of all agents but one, of those that run and those that
/// are written down.
fn others(call: &Call, id: &str) -> Vec<PathBuf> {
    let env = |name: &str| std::env::var(name).ok();
    let Some(state) = call.host.state_dir.as_ref() else { return Vec::new() };
    let written = read_file(call).ok().and_then(|file| crate::config::load(&file.path, &env).ok());
    let written = written.map(|loaded| loaded.config);
    let mut dirs: Vec<PathBuf> = call.host.config_path.iter().cloned().collect();
    for config in call.host.config.iter().chain(&written) {
        let all = workspace::workspaces(config, state, &env);
        let staying = all.into_iter().filter(|(other, _)| other != id);
        dirs.extend(staying.map(|(_, workspace)| workspace.dir().to_owned()));
    }
    dirs
}

fn no_avatar(method: &str, avatar: Option<&String>) -> Result<(), ErrorBody> {
    if avatar.is_none_or(String::is_empty) {
        return Ok(());
    }
    let why = "at avatar: agents here have a name and an emoji, and no picture";
    Err(ErrorBody::invalid(format!("invalid {method} params: {why}")))
}

fn checked_name(method: &str, name: &Text) -> Result<String, ErrorBody> {
    let name = name.as_str().trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control) {
        let why = format!("at name: 1 to {NAME_CHARS_MAX} characters without line breaks");
        return Err(ErrorBody::invalid(format!("invalid {method} params: {why}")));
    }
    Ok(name.to_owned())
}

/// Files may lie on a disk that has gone away: never on a thread that serves others.
fn blocking(call: Call, work: fn(&Call) -> Result<Value, ErrorBody>) -> Answer {
    Box::pin(async move {
        tokio::task::spawn_blocking(move || work(&call)).await.map_err(ErrorBody::internal)?
    })
}
