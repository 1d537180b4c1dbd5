//! The agents, and the files of their workspaces that every prompt begins with.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::models::chain;
use super::params::{Nothing, Text, read};
use super::report::{agent_ids, default_agent, main_key, scope};
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::host::Host;
use crate::workspace::{self, FILE_BYTES_MAX};

/// The methods of this family. Agents themselves are made in the config.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "agents.list",
        scope: Scope::Read,
        about: "the agents",
        run: |call| ready(list(call)),
    },
    Method {
        name: "agents.files.list",
        scope: Scope::Read,
        about: "the files of an agent's workspace that prompts begin with",
        run: |call| blocking(call, files),
    },
    Method {
        name: "agents.files.get",
        scope: Scope::Read,
        about: "one of them, with its text",
        run: |call| blocking(call, file),
    },
    Method {
        name: "agents.files.set",
        scope: Scope::Admin,
        about: "write one of them",
        run: |call| blocking(call, set_file),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AgentParams {
    agent_id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileParams {
    agent_id: Text,
    name: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetParams {
    agent_id: Text,
    name: Text,
    content: String,
}

fn list(call: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("agents.list", call.params)?;
    let host = &call.host;
    let entries = host.config.as_ref().map(crate::config::Config::agents_map).unwrap_or_default();
    let agent = |id: String| {
        let entry = entries.get(&id);
        let models = chain(host, &id);
        let mut shown = json!({
            "id": id,
            "kind": "agent",
            "thinkingLevels": [{"id": "off", "label": "off"}],
            "thinkingOptions": ["off"],
            "thinkingDefault": "off",
            "model": {"primary": models.first(), "fallbacks": models.get(1..)},
        });
        if let Some(dir) = workspace_of(host, &id) {
            shown["workspace"] = json!(dir);
        }
        if let Some(name) =
            entry.and_then(|entry| entry.name.as_deref()).filter(|it| !it.is_empty())
        {
            shown["name"] = json!(name);
        }
        let identity = entry.map(|entry| &entry.identity);
        let said = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        let name = said(identity.and_then(|identity| identity.name.as_ref()));
        let emoji = said(identity.and_then(|identity| identity.emoji.as_ref()));
        for (key, value) in [("name", name), ("emoji", emoji)] {
            if let Some(value) = value {
                shown["identity"][key] = json!(value);
            }
        }
        shown
    };
    Ok(json!({
        "defaultId": default_agent(host),
        "mainKey": main_key(host),
        "scope": scope(host),
        "agents": agent_ids(host).into_iter().map(agent).collect::<Vec<_>>(),
    }))
}

fn files(call: &Call) -> Result<Value, ErrorBody> {
    let params: AgentParams = read("agents.files.list", call.params.clone())?;
    let dir = dir(&call.host, &params.agent_id)?;
    let files = workspace::FILES.iter().map(|(name, is_expected)| shown(&dir, name, *is_expected));
    let files: Vec<Value> = files.collect();
    Ok(json!({"agentId": params.agent_id, "workspace": dir, "files": files}))
}

fn file(call: &Call) -> Result<Value, ErrorBody> {
    let params: FileParams = read("agents.files.get", call.params.clone())?;
    let dir = dir(&call.host, &params.agent_id)?;
    let (name, is_expected) = known(&params.name)?;
    let mut file = shown(&dir, name, is_expected);
    if let Some(text) = workspace::read(&dir.join(name)).map_err(ErrorBody::unavailable)? {
        file["content"] = json!(text);
    }
    Ok(json!({"agentId": params.agent_id, "workspace": dir, "file": file}))
}

fn set_file(call: &Call) -> Result<Value, ErrorBody> {
    let params: SetParams = read("agents.files.set", call.params.clone())?;
    let dir = dir(&call.host, &params.agent_id)?;
    let (name, is_expected) = known(&params.name)?;
    if params.content.len() as u64 > FILE_BYTES_MAX {
        let text =
            format!("{name} may have {FILE_BYTES_MAX} bytes; a prompt has room for far less");
        return Err(ErrorBody::invalid(text));
    }
    let path = dir.join(name);
    crate::put_file::put(&path, params.content.as_bytes(), 0o644)
        .map_err(|error| ErrorBody::unavailable(format!("{}: {error}", path.display())))?;
    let file = shown(&dir, name, is_expected);
    Ok(json!({"ok": true, "agentId": params.agent_id, "workspace": dir, "file": file}))
}

fn shown(dir: &Path, name: &str, is_expected: bool) -> Value {
    let path = dir.join(name);
    let found = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file);
    let mut shown = json!({"name": name, "path": path, "missing": found.is_none()});
    match found {
        Some(found) => {
            shown["size"] = json!(found.len());
            let since =
                found.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            if let Some(since) = since {
                shown["updatedAtMs"] = json!(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            }
        }
        None if !is_expected => shown["expectedAbsent"] = json!(true),
        None => {}
    }
    shown
}

/// Only these names: a path would lead out of the workspace.
fn known(name: &Text) -> Result<(&'static str, bool), ErrorBody> {
    let found = workspace::FILES.iter().find(|(known, _)| *known == name.as_str());
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = workspace::FILES.iter().map(|(name, _)| *name).collect();
        ErrorBody::invalid(format!(
            "unsupported file {:?}: one of {}",
            name.as_str(),
            known.join(", ")
        ))
    })
}

fn dir(host: &Host, agent: &Text) -> Result<PathBuf, ErrorBody> {
    if !agent_ids(host).iter().any(|id| id == agent.as_str()) {
        return Err(ErrorBody::invalid(format!("unknown agent id {:?}", agent.as_str())));
    }
    workspace_of(host, agent.as_str())
        .ok_or_else(|| ErrorBody::unavailable("this engine has no workspaces"))
}

pub(super) fn workspace_of(host: &Host, agent: &str) -> Option<PathBuf> {
    let (config, state) = (host.config.as_ref()?, host.state_dir.as_ref()?);
    let env = |name: &str| std::env::var(name).ok();
    let workspaces = workspace::workspaces(config, state, &env);
    workspaces.get(agent).map(|workspace| workspace.dir().to_owned())
}

/// Files may lie on a disk that has gone away: never on a thread that serves others.
fn blocking(call: Call, work: fn(&Call) -> Result<Value, ErrorBody>) -> super::Answer {
    Box::pin(async move {
        tokio::task::spawn_blocking(move || work(&call)).await.map_err(ErrorBody::internal)?
    })
}
