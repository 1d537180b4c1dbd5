//! Agents: who answers, with which model.

use telson_actors::model::ModelRef;
use telson_actors::session::AgentProfile;

use super::Assembly;
use super::providers::KNOWN;
use crate::config::{AgentEntry, Config, Lookup};
use crate::defaults::OUTPUT_TOKENS_MAX;

pub(super) fn add(assembly: &mut Assembly, config: &Config, env: &Lookup<'_>) {
    for (id, agent) in config.agents_map() {
        let model = model_of(config, &agent, env);
        let (provider, name) = split_model(&model);
        assembly.notes.push(note(&id, &agent, &model));
        let profile = AgentProfile {
            provider: provider.to_owned(),
            model: name.to_owned(),
            system: agent.system_prompt.clone().unwrap_or_default(),
            output_tokens_max: OUTPUT_TOKENS_MAX,
        };
        let fallbacks = fallbacks_of(config, &agent);
        if !fallbacks.is_empty() {
            let names: Vec<String> = fallbacks.iter().map(ModelRef::to_string).collect();
            assembly.notes.push(format!("agent {id} falls back to {}", names.join(", ")));
        }
        assembly.build(|builder| builder.agent(&id, profile).fallbacks(&id, fallbacks));
        if let Some(name) = &agent.identity.name {
            assembly.build(|builder| builder.name(&id, name));
        }
    }
    add_names(assembly, config, env);
    let default = config.default_agent();
    assembly.build(|builder| {
        builder.rules(|rules| {
            rules.agents.default = default.map(telson_actors::router::AgentId::new);
        })
    });
}

/// What sessions may call models, and choose.
fn add_names(assembly: &mut Assembly, config: &Config, env: &Lookup<'_>) {
    let default = config.default_agent().and_then(|id| config.agents_map().remove(&id));
    let default = default.map(|agent| split_model(&model_of(config, &agent, env)).0.to_owned());
    let aliases = config.agents.defaults.models.iter().filter_map(|(model, named)| {
        Some((named.alias.as_ref()?.trim().to_lowercase(), model.parse().ok()?))
    });
    let allowed = config.agents.defaults.model_policy.allow.iter();
    let allowed = allowed.map(|name| config.model_named(name).to_owned());
    assembly.build(|builder| {
        builder.models(|catalog| {
            catalog.default_provider = default;
            catalog.aliases = aliases.collect();
            catalog.allowed = allowed.collect();
        })
    });
}

/// What steps in when the agent's model fails.
pub(super) fn fallbacks_of(config: &Config, agent: &AgentEntry) -> Vec<ModelRef> {
    let names = agent.model.iter().filter_map(|model| model.fallbacks.as_ref()).flatten();
    names.filter_map(|name| config.model_named(name).parse().ok()).collect()
}

/// The agent's model: chosen, else by the first key found in the environment, else `echo`.
pub(super) fn model_of(config: &Config, agent: &AgentEntry, env: &Lookup<'_>) -> String {
    let chosen = agent.model.as_ref().and_then(|model| model.primary.as_deref());
    let chosen = chosen.map(|name| config.model_named(name).to_owned());
    chosen.unwrap_or_else(|| {
        let has_key = |variable: &str| env(variable).is_some_and(|key| !key.is_empty());
        let found = KNOWN.iter().find(|known| has_key(known.variable));
        found.map_or_else(|| "echo/echo".into(), |known| known.model.to_owned())
    })
}

/// `provider/model`, where the model may hold further slashes.
pub(super) fn split_model(model: &str) -> (&str, &str) {
    model.split_once('/').unwrap_or((model, model))
}

fn note(id: &str, agent: &AgentEntry, model: &str) -> String {
    let chosen = agent.model.as_ref().is_some_and(|model| model.primary.is_some());
    let why = match (chosen, model) {
        (true, _) => "as configured",
        (false, "echo/echo") => {
            "because no API key was found: set ANTHROPIC_API_KEY or OPENAI_API_KEY, or configure \
             agents.defaults.model"
        }
        (false, _) => "because its API key is in the environment",
    };
    format!("agent {id} answers with {model} ({why})")
}
