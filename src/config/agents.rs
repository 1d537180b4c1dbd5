//! `agents`: who answers, and with which model.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::context::Compaction;
use super::heartbeat::Heartbeat;
use super::tools::AgentTools;

/// The agent there is when none is configured.
pub(super) const MAIN_AGENT: &str = "main";

/// The agents, as a map or as the older list, and what they share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Agents {
    /// What agents use where they say nothing themselves.
    pub defaults: AgentDefaults,
    /// The agents by id. Default: one agent called `main`.
    pub entries: BTreeMap<String, AgentEntry>,
    /// The agents as a list, each with its `id`; joined with `entries`. Default: empty.
    pub list: Vec<AgentEntry>,
}

/// What all agents share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentDefaults {
    /// The model of agents that name none. Default: none.
    pub model: Option<ModelChoice>,
    /// Models with a short name, by their full one. Default: none.
    pub models: BTreeMap<String, NamedModel>,
    /// Which models sessions may choose for themselves.
    pub model_policy: ModelPolicy,
    /// Turns running at once over all sessions, at least 1.
    /// Default: the number of processors, but from 8 to 16.
    pub max_concurrent: Option<u32>,
    /// The default agent's working folder. Default: `workspace` in the state folder.
    pub workspace: Option<String>,
    /// Characters of one file of a workspace that are shown. Default: 20000.
    pub bootstrap_max_chars: Option<u64>,
    /// Characters of all files of a workspace together that are shown. Default: 60000.
    pub bootstrap_total_max_chars: Option<u64>,
    /// The most of a model's window that is used, in tokens, at least 1. Default: all of it.
    pub context_tokens: Option<u64>,
    /// How conversations that have grown too long become shorter.
    pub compaction: Compaction,
    /// When agents wake by themselves, and whom they tell.
    pub heartbeat: Heartbeat,
    /// The time zone of people, such as `Europe/Berlin`. Default: the machine's.
    pub user_timezone: Option<String>,
    /// The model that makes vectors of texts, for `POST /v1/embeddings`.
    pub memory_search: MemorySearch,
}

/// A model that makes vectors of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MemorySearch {
    /// Its provider. Default: none.
    pub provider: Option<String>,
    /// Its name at the provider. Default: none.
    pub model: Option<String>,
}

impl MemorySearch {
    /// Provider and model, if there is both.
    pub fn named(&self) -> Option<(&str, &str)> {
        let named = (self.provider.as_deref()?.trim(), self.model.as_deref()?.trim());
        Some(named).filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
    }
}

/// A model with a short name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NamedModel {
    /// The short name, in any case. Default: none.
    pub alias: Option<String>,
}

/// Which models sessions may choose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ModelPolicy {
    /// Models as `provider/model`, or `provider/*` for all of a provider. Default: any.
    pub allow: Vec<String>,
}

/// One agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentEntry {
    /// The agent's id; required in a list, in a map the key is the id.
    pub id: Option<String>,
    /// Whether messages no binding claims go to this agent. Default: false, true for a sole agent.
    pub default: bool,
    /// The name people see. Default: the id.
    pub name: Option<String>,
    /// The model. Default: `agents.defaults.model`.
    pub model: Option<ModelChoice>,
    /// Instructions put before every conversation. Default: none.
    pub system_prompt: Option<String>,
    /// The working folder. Default: a folder of its own in the state folder.
    pub workspace: Option<String>,
    /// Characters of one file of its workspace that are shown.
    /// Default: `agents.defaults.bootstrapMaxChars`.
    pub bootstrap_max_chars: Option<u64>,
    /// Characters of all files of its workspace together that are shown.
    /// Default: `agents.defaults.bootstrapTotalMaxChars`.
    pub bootstrap_total_max_chars: Option<u64>,
    /// The most of its model's window that is used, in tokens, at least 1.
    /// Default: `agents.defaults.contextTokens`.
    pub context_tokens: Option<u64>,
    /// How its conversations become shorter. Default, for each setting: `agents.defaults.compaction`.
    pub compaction: Compaction,
    /// How the agent presents itself.
    pub identity: Identity,
    /// Behaviour in groups.
    pub group_chat: AgentGroupChat,
    /// What it may do besides talking.
    pub tools: AgentTools,
    /// When it wakes by itself. If any agent says something here, only those that do wake.
    /// Default, for each setting: `agents.defaults.heartbeat`.
    pub heartbeat: Option<Heartbeat>,
}

impl AgentEntry {
    /// What people would write to mean the agent. Its id is left out: `main` is a common word.
    pub(super) fn names_as_patterns(&self) -> Vec<String> {
        let name = self.identity.name.iter().chain(&self.name).map(|name| name.trim());
        let name = name.filter(|name| !name.is_empty()).map(|name| {
            let words: Vec<String> = name.split_whitespace().map(regex::escape).collect();
            // Not inside another word, as far as the name itself begins and ends with letters.
            format!(r"(?:^|\W)@?{}(?:\W|$)", words.join(r"\s+"))
        });
        let emoji = self.identity.emoji.iter().map(|emoji| regex::escape(emoji.trim()));
        name.take(1).chain(emoji.filter(|emoji| !emoji.is_empty())).collect()
    }
}

/// How an agent presents itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Identity {
    /// The name it answers to. Default: none.
    pub name: Option<String>,
    /// The emoji it is known by. Default: none.
    pub emoji: Option<String>,
}

/// An agent's behaviour in groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentGroupChat {
    /// Regular expressions, matched without regard to case, that count as a mention of the agent.
    /// Default: `messages.groupChat.mentionPatterns`.
    pub mention_patterns: Option<Vec<String>>,
}

/// A model and what to try when it fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelChoice {
    /// The model as `provider/model`.
    pub primary: Option<String>,
    /// Models to try next, in order. `None` where nothing was written about fallbacks, which for
    /// an agent means there are none.
    pub fallbacks: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for ModelChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrChain)
    }
}

struct TextOrChain;

impl<'de> Visitor<'de> for TextOrChain {
    type Value = ModelChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model such as \"provider/model\" or {primary, fallbacks}")
    }

    fn visit_str<E>(self, model: &str) -> Result<ModelChoice, E> {
        Ok(ModelChoice { primary: Some(model.to_owned()), fallbacks: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelChoice, A::Error> {
        let chain = ModelChain::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ModelChoice { primary: chain.primary, fallbacks: chain.fallbacks })
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ModelChain {
    /// The model as `provider/model`.
    primary: Option<String>,
    /// Models to try next, in order. Default: none.
    fallbacks: Option<Vec<String>>,
}

/// The two ways to write a model, for the schema only.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its shape is used")]
enum ModelShape {
    Text(String),
    Chain(ModelChain),
}

impl JsonSchema for ModelChoice {
    fn schema_name() -> Cow<'static, str> {
        "ModelChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ModelShape::json_schema(generator)
    }
}
