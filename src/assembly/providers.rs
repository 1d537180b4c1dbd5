//! Model providers: those configured, and those found by a key in the environment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use telson_actors::provider::{
    Echo, HttpConfig, Provider, Secret, anthropic, gemini, ollama, openai, responses,
};

use super::Assembly;
use super::agents::{fallbacks_of, model_of, split_model};
use super::profiles::keyring;
use crate::config::{self, Config, Lookup, ProviderApi};

/// A provider that needs no configuration besides its key.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) variable: &'static str,
    /// What is asked when nobody has chosen a model.
    pub(super) model: &'static str,
    base_url: &'static str,
}

/// In the order in which a key in the environment is looked for.
pub(super) const KNOWN: [Known; 4] = [
    Known {
        name: "anthropic",
        variable: "ANTHROPIC_API_KEY",
        model: "anthropic/claude-sonnet-4-5",
        base_url: "https://api.anthropic.com",
    },
    Known {
        name: "openai",
        variable: "OPENAI_API_KEY",
        model: "openai/gpt-5-mini",
        base_url: "https://api.openai.com/v1",
    },
    Known {
        name: "google",
        variable: "GEMINI_API_KEY",
        model: "google/gemini-2.5-flash",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
    },
    // Needs no key; one is only sent where somebody has put a proxy before it.
    Known {
        name: "ollama",
        variable: "OLLAMA_API_KEY",
        model: "ollama/llama3.2",
        base_url: "http://127.0.0.1:11434",
    },
];

pub(super) fn add(
    assembly: &mut Assembly,
    config: &Config,
    env: &Lookup<'_>,
) -> Result<(), String> {
    for (name, provider) in &config.models.providers {
        add_one(assembly, config, name, provider, env)?;
    }
    for name in asked_for(config, env) {
        if config.models.providers.contains_key(&name) || name == "echo" {
            continue;
        }
        add_one(assembly, config, &name, &config::Provider::default(), env)?;
    }
    if let Some(calls) = config.agents.defaults.max_concurrent {
        assembly.build(|builder| {
            let mut limits = builder.limits;
            limits.provider_calls_max = usize::try_from(calls).unwrap_or(usize::MAX);
            builder.limits(limits)
        });
    }
    Ok(())
}

/// A provider with its keys.
fn add_one(
    assembly: &mut Assembly,
    config: &Config,
    name: &str,
    provider: &config::Provider,
    env: &Lookup<'_>,
) -> Result<(), String> {
    let own = own_key(name, provider, env);
    let client = |key| client(name, provider, key);
    let keys = keyring(config, name, own, client, &mut assembly.warnings)?;
    assembly.build(|builder| builder.keyring(name, keys));
    Ok(())
}

/// Every provider that some agent's model names, or that sessions can choose by a short name.
fn asked_for(config: &Config, env: &Lookup<'_>) -> BTreeSet<String> {
    let agents = config.agents_map();
    let own = agents.values().map(|agent| split_model(&model_of(config, agent, env)).0.to_owned());
    let steps_in = agents.values().flat_map(|agent| fallbacks_of(config, agent));
    let named = config.agents.defaults.models.iter();
    let named = named.filter(|(_, named)| named.alias.is_some());
    let named = named.map(|(model, _)| split_model(model).0.to_owned());
    let summaries = super::context::summary_models(config).chain(super::heartbeat::models(config));
    let summaries = summaries.map(|model| split_model(&model).0.to_owned());
    let vectors = config.agents.defaults.memory_search.named();
    let vectors = vectors.map(|(provider, _)| provider.to_owned()).into_iter();
    own.chain(vectors)
        .chain(steps_in.map(|model| model.provider))
        .chain(named)
        .chain(summaries)
        .collect()
}

/// The one key of a provider without profiles: its own, else that of the environment.
fn own_key(name: &str, provider: &config::Provider, env: &Lookup<'_>) -> Option<Secret> {
    let known = KNOWN.iter().find(|known| known.name == name);
    let configured = provider.api_key.as_ref().and_then(config::Secret::expose).map(str::to_owned);
    let key = configured.or_else(|| known.and_then(|known| env(known.variable)));
    key.filter(|key| !key.is_empty()).map(Secret::new)
}

fn client(
    name: &str,
    provider: &config::Provider,
    key: Option<Secret>,
) -> Result<Arc<dyn Provider>, String> {
    let api = provider.api_of(name);
    if api == ProviderApi::Echo {
        return Ok(Arc::new(Echo));
    }
    let http = http_config(name, provider, key)?;
    let failed =
        |error: telson_actors::provider::ConfigError| format!("models.providers.{name}: {error}");
    match api {
        ProviderApi::AnthropicMessages => {
            Ok(Arc::new(anthropic::Anthropic::new(http).map_err(failed)?))
        }
        ProviderApi::OpenaiResponses => {
            Ok(Arc::new(responses::Responses::new(http).map_err(failed)?))
        }
        ProviderApi::GoogleGenerativeAi => Ok(Arc::new(gemini::Gemini::new(http).map_err(failed)?)),
        ProviderApi::Ollama => Ok(Arc::new(ollama::Ollama::new(http).map_err(failed)?)),
        ProviderApi::OpenaiCompletions | ProviderApi::Echo => {
            Ok(Arc::new(openai::OpenAi::new(http).map_err(failed)?))
        }
    }
}

fn http_config(
    name: &str,
    provider: &config::Provider,
    key: Option<Secret>,
) -> Result<HttpConfig, String> {
    let known = KNOWN.iter().find(|known| known.name == name);
    let base_url = match (&provider.base_url, known) {
        (Some(url), _) => url.clone(),
        (None, Some(known)) => known.base_url.to_owned(),
        (None, None) => {
            return Err(format!(
                "models.providers.{name}.baseUrl is missing: this provider's address is not known"
            ));
        }
    };
    let mut http = HttpConfig::new(base_url);
    http.api_key = key;
    for (header, value) in &provider.headers {
        if let Some(value) = value.expose() {
            http.headers.push((header.clone(), value.to_owned()));
        }
    }
    if let Some(seconds) = provider.timeout_seconds {
        http.total_timeout = Duration::from_secs(seconds);
    }
    Ok(http)
}
