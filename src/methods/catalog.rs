//! What can be typed and called here, and what waits for a person.

use serde::Deserialize;
use serde_json::{Value, json};

use super::agents::workspace_of;
use super::params::{Nothing, Text, read};
use super::report::{agent_ids, default_agent};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "commands.list",
        scope: Scope::Read,
        about: "what people can type to the gateway itself",
        run: |call| ready(commands(call)),
    },
    Method {
        name: "tools.catalog",
        scope: Scope::Read,
        about: "what an agent can call",
        run: |call| ready(tools(&call)),
    },
    Method {
        name: "skills.status",
        scope: Scope::Read,
        about: "the skills of an agent: none are read here",
        run: |call| ready(skills(&call)),
    },
    Method {
        name: "question.list",
        scope: Scope::Read,
        about: "questions of agents that wait for a person: none are asked here",
        run: |call| ready(empty::<Nothing>(call, "question.list", json!({"questions": []}))),
    },
    Method {
        name: "plugin.approval.list",
        scope: Scope::Approvals,
        about: "plugins that wait for a person: there are none here",
        run: |call| ready(empty::<Nothing>(call, "plugin.approval.list", json!([]))),
    },
    Method {
        name: "taskSuggestions.list",
        scope: Scope::Read,
        about: "tasks that agents suggest: none are suggested here",
        run: |call| {
            let answer = json!({"suggestions": []});
            ready(empty::<SuggestionParams>(call, "taskSuggestions.list", answer))
        },
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum CommandScope {
    Text,
    Native,
    Both,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "every session and channel has the same commands")]
struct CommandParams {
    session_key: Option<Text>,
    agent_id: Option<Text>,
    provider: Option<Text>,
    scope: Option<CommandScope>,
    include_args: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ToolParams {
    agent_id: Option<Text>,
    include_plugins: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "every session of an agent has the same skills")]
struct SkillParams {
    agent_id: Option<Text>,
    session_key: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "nobody has any")]
struct SuggestionParams {
    session_key: Option<Text>,
    agent_id: Option<Text>,
}

/// Name, other spellings, what it is for, what may follow.
type Command =
    (&'static str, &'static [&'static str], &'static str, Option<(&'static str, &'static str)>);

/// The commands of a session: name, other spellings, what they are for, what may follow.
const COMMANDS: [Command; 10] = [
    ("help", &["/commands"], "What can be typed.", None),
    ("status", &[], "How this conversation is.", None),
    (
        "model",
        &[],
        "Which model answers, or choose another.",
        Some(("name", "provider/model or an alias; default goes back")),
    ),
    ("models", &[], "Which models can be chosen.", None),
    ("context", &[], "How much of the conversation the model sees.", None),
    (
        "compact",
        &[],
        "Sum up the older part of the conversation.",
        Some(("words", "What matters in it")),
    ),
    ("usage", &[], "What the models have used.", None),
    ("stop", &["/abort"], "End the running turn and drop what waits.", None),
    (
        "queue",
        &[],
        "How messages that arrive during a turn are queued.",
        Some((
            "options",
            "steer, followup, collect, interrupt, debounce:2s, cap:5, drop:new, default",
        )),
    ),
    ("steer", &[], "Hand a message to the running turn.", Some(("message", "What to say"))),
];

fn commands(call: Call) -> Result<Value, ErrorBody> {
    let params: CommandParams = read("commands.list", call.params)?;
    let wants_args = params.include_args != Some(false);
    let shown = COMMANDS.iter().map(|(name, others, about, argument)| {
        let mut aliases = vec![format!("/{name}")];
        aliases.extend(others.iter().map(ToString::to_string));
        let mut shown = json!({
            "name": name,
            "textAliases": aliases,
            "description": about,
            "category": "session",
            "source": "native",
            "scope": "text",
            "acceptsArgs": argument.is_some(),
        });
        if let Some((name, about)) = argument.filter(|_| wants_args) {
            shown["args"] = json!([{"name": name, "description": about, "type": "string"}]);
        }
        shown
    });
    // What only a platform's own menu knows is none of ours.
    let is_native = matches!(params.scope, Some(CommandScope::Native));
    let shown: Vec<Value> = if is_native { Vec::new() } else { shown.collect() };
    Ok(json!({"commands": shown}))
}

fn tools(call: &Call) -> Result<Value, ErrorBody> {
    let params: ToolParams = read("tools.catalog", call.params.clone())?;
    let agent = agent(call, params.agent_id)?;
    let core = telson_actors::tool::core::NAMES;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for spec in call.engine.tools(&agent) {
        let is_core = core.contains(&spec.name.as_str());
        let source = if is_core { "core" } else { "plugin" };
        let entry = json!({
            "id": spec.name,
            "label": spec.name,
            "description": spec.description,
            "source": source,
            "defaultProfiles": [],
        });
        if is_core { own.push(entry) } else { others.push(entry) }
    }
    let mut groups = vec![json!({"id": "core", "label": "Core", "source": "core", "tools": own})];
    if !others.is_empty() && params.include_plugins != Some(false) {
        let label = "Servers and the embedding program";
        groups.push(json!({"id": "other", "label": label, "source": "plugin", "tools": others}));
    }
    let profiles = [("minimal", "Minimal"), ("coding", "Coding"), ("messaging", "Messaging")];
    let profiles = profiles.into_iter().chain([("full", "Full")]);
    let profiles: Vec<Value> =
        profiles.map(|(id, label)| json!({"id": id, "label": label})).collect();
    Ok(json!({"agentId": agent, "profiles": profiles, "groups": groups}))
}

fn skills(call: &Call) -> Result<Value, ErrorBody> {
    let params: SkillParams = read("skills.status", call.params.clone())?;
    let agent = agent(call, params.agent_id)?;
    let managed = call.host.state_dir.as_ref().map(|dir| dir.join("skills"));
    let workspace = workspace_of(&call.host, &agent);
    Ok(json!({
        "workspaceDir": workspace,
        "managedSkillsDir": managed,
        "agentId": agent,
        "skills": [],
    }))
}

fn agent(call: &Call, named: Option<Text>) -> Result<String, ErrorBody> {
    let agent = named.map_or_else(|| default_agent(&call.host), |id| id.to_string());
    if agent_ids(&call.host).contains(&agent) {
        return Ok(agent);
    }
    Err(ErrorBody::invalid(format!("unknown agent id {agent:?}")))
}

fn empty<P: serde::de::DeserializeOwned>(
    call: Call,
    method: &str,
    answer: Value,
) -> Result<Value, ErrorBody> {
    read::<P>(method, call.params).map(|_| answer)
}
