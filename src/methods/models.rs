//! The models that are known, and whether their providers can be asked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Text, read};
use super::report::default_agent;
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::config::{Config, Model, ModelChoice};
use crate::host::Host;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "models.list",
        scope: Scope::Read,
        about: "the models that are configured",
        run: |call| ready(list(call)),
    },
    Method {
        name: "models.authStatus",
        scope: Scope::Read,
        about: "which providers have a credential",
        run: |call| ready(auth(call)),
    },
    Method {
        name: "usage.status",
        scope: Scope::Read,
        about: "what providers say of their own limits",
        run: |call| ready(quotas(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "every view shows the configured models, which are all that is known")]
struct ListParams {
    agent_id: Option<Text>,
    include_details: Option<bool>,
    include_provider_capabilities: Option<bool>,
    prepared_only: Option<bool>,
    provider: Option<Text>,
    refresh: Option<bool>,
    view: Option<View>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum View {
    Default,
    Configured,
    ProviderConfig,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "credentials are the same for all agents and read once")]
struct AuthParams {
    refresh: Option<bool>,
    agent_id: Option<String>,
}

fn list(call: Call) -> Result<Value, ErrorBody> {
    let params: ListParams = read("models.list", call.params)?;
    let agent = params.agent_id.as_ref().map(ToString::to_string);
    if let Some(agent) = &agent
        && !super::report::agent_ids(&call.host).contains(agent)
    {
        return Err(ErrorBody::invalid(format!("unknown agent id {agent:?}")));
    }
    let agent = agent.unwrap_or_else(|| default_agent(&call.host));
    let chosen = chain(&call.host, &agent);
    let config = config(&call.host);
    let mut models = BTreeMap::new();
    for (provider, entry) in &config.models.providers {
        for model in &entry.models {
            models.insert((provider.clone(), model.id.clone()), Some(model));
        }
    }
    let named = config.agents.defaults.models.keys().chain(&chosen);
    for (provider, model) in named.filter_map(|name| name.split_once('/')) {
        models.entry((provider.to_owned(), model.to_owned())).or_default();
    }
    let wanted = |provider: &str| params.provider.as_ref().is_none_or(|it| it.as_str() == provider);
    models.retain(|(provider, _), _| wanted(provider));
    let shown = models
        .into_iter()
        .map(|((provider, id), model)| shown(&config, &chosen, (&provider, &id), model));
    Ok(json!({"models": shown.collect::<Vec<_>>()}))
}

fn shown(
    config: &Config,
    chosen: &[String],
    (provider, id): (&str, &str),
    model: Option<&Model>,
) -> Value {
    let full = format!("{provider}/{id}");
    let mut shown = json!({
        "id": id,
        "name": model.and_then(|model| model.name.as_deref()).unwrap_or(id),
        "provider": provider,
        "reasoning": false,
        "thinkingLevels": [{"id": "off", "label": "off"}],
        "thinkingDefault": "off",
        "available": can_be_asked(config, provider),
    });
    if let Some(window) = model.and_then(|model| model.context_window).filter(|it| *it > 0) {
        shown["contextWindow"] = json!(window);
    }
    let named = config.agents.defaults.models.get(&full);
    if let Some(alias) = named.and_then(|named| named.alias.as_deref()).filter(|it| !it.is_empty())
    {
        shown["alias"] = json!(alias);
    }
    let place = chosen.iter().position(|name| *name == full);
    if let Some(place) = place {
        shown["tags"] = json!([if place == 0 { "default" } else { "fallback" }]);
    }
    shown
}

/// The model of an agent and what steps in for it, as `provider/model`.
pub(super) fn chain(host: &Host, agent: &str) -> Vec<String> {
    let config = config(host);
    let choice = config.agents_map().remove(agent).and_then(|entry| entry.model);
    let ModelChoice { primary, fallbacks } = choice.unwrap_or_default();
    let mut chain: Vec<String> =
        primary.into_iter().chain(fallbacks.into_iter().flatten()).collect();
    if chain.is_empty() {
        chain.push("echo/echo".into());
    }
    chain
}

/// What a model can read at once, in tokens, where the config says so.
pub(super) fn window(host: &Host, full: &str) -> Option<u64> {
    let (provider, id) = full.split_once('/')?;
    let config = host.config.as_ref()?;
    let models = &config.models.providers.get(provider)?.models;
    models.iter().find(|model| model.id == id)?.context_window
}

fn can_be_asked(config: &Config, provider: &str) -> bool {
    let entry = config.models.providers.get(provider);
    match entry.and_then(|entry| entry.api_key.as_ref()) {
        Some(key) => key.expose().is_some(),
        // A provider with an address needs no key by itself; the built-in ones do.
        None => {
            entry.is_some_and(|entry| entry.base_url.is_some())
                || ["echo", "ollama"].contains(&provider)
                || config.auth.profiles.values().any(|profile| profile.provider == provider)
        }
    }
}

fn auth(call: Call) -> Result<Value, ErrorBody> {
    let _: AuthParams = read("models.authStatus", call.params)?;
    let config = config(&call.host);
    let provider = |id: &String| {
        let entry = config.models.providers.get(id);
        let key = entry.and_then(|entry| entry.api_key.as_ref());
        let status = if can_be_asked(&config, id) { "static" } else { "missing" };
        let mut shown = json!({
            "provider": id,
            "authProvider": id,
            "displayName": id,
            "status": status,
            "profiles": [],
        });
        if key.is_some_and(|key| key.expose().is_some()) {
            shown["apiKey"] = json!({"source": "config"});
        }
        shown
    };
    let providers: Vec<Value> = config.models.providers.keys().map(provider).collect();
    Ok(json!({
        "ts": call.engine.clock().now().0,
        "providers": providers,
        "providerCapabilities": [],
    }))
}

/// No provider that is spoken to here tells its quotas.
fn quotas(call: Call) -> Result<Value, ErrorBody> {
    read::<super::params::Nothing>("usage.status", call.params)?;
    Ok(json!({"updatedAt": call.engine.clock().now().0, "providers": []}))
}

fn config(host: &Host) -> Config {
    host.config.clone().unwrap_or_default()
}
