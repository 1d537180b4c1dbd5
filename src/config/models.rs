//! `models`: where models are, and how to speak to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::Secret;
use super::usage::ModelCost;

/// Providers that need no entry to be referred to.
pub(super) const BUILT_IN_PROVIDERS: [&str; 5] =
    ["anthropic", "echo", "google", "ollama", "openai"];

/// The providers of models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Models {
    /// Providers by id, the part of a model's name before the `/`.
    /// `anthropic`, `echo`, `google`, `ollama` and `openai` exist without an entry.
    pub providers: BTreeMap<String, Provider>,
}

/// One provider of models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Provider {
    /// Where it listens, such as `https://host/v1`. Required unless the provider is built in.
    pub base_url: Option<String>,
    /// Its credential: text, or `{source: "env", id: "NAME"}`. Default: none.
    pub api_key: Option<Secret>,
    /// Its protocol. Default: that of the built-in provider, else openai-completions.
    pub api: Option<ProviderApi>,
    /// What is known of its models. Default: nothing; any model may be named.
    pub models: Vec<Model>,
    /// Longest wait for a reply, in seconds, at least 1. Default: the program's own limit.
    pub timeout_seconds: Option<u64>,
    /// Headers sent with every request; values may be secret references. Default: none.
    pub headers: BTreeMap<String, Secret>,
}

impl Provider {
    /// The protocol to speak with the provider of this id.
    pub fn api_of(&self, id: &str) -> ProviderApi {
        self.api.unwrap_or(match id {
            "anthropic" => ProviderApi::AnthropicMessages,
            "echo" => ProviderApi::Echo,
            "google" => ProviderApi::GoogleGenerativeAi,
            "ollama" => ProviderApi::Ollama,
            _ => ProviderApi::OpenaiCompletions,
        })
    }
}

/// A provider's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderApi {
    /// Chat completions as OpenAI and many others serve them.
    OpenaiCompletions,
    /// Responses as OpenAI serves them.
    OpenaiResponses,
    /// Messages as Anthropic serves them.
    AnthropicMessages,
    /// Gemini as Google serves it.
    GoogleGenerativeAi,
    /// Ollama's own chat format.
    Ollama,
    /// No network: answers with what it was sent.
    Echo,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Model {
    /// Its id, the part of its name after the `/`.
    pub id: String,
    /// The name people see. Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// What it can read at once, in tokens. Default: unknown.
    #[serde(default)]
    pub context_window: Option<u64>,
    /// The longest answer to ask for, in tokens. Default: the provider's own.
    #[serde(default)]
    pub max_tokens: Option<u64>,
    /// What it sees. Default: text, and with the built-in providers but ollama pictures and documents.
    #[serde(default)]
    pub input: Option<Vec<ModelInput>>,
    /// What its tokens cost. Default: unknown.
    #[serde(default)]
    pub cost: Option<ModelCost>,
}

/// What a model sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelInput {
    /// Words.
    Text,
    /// Pictures.
    Image,
    /// PDF files.
    Document,
    /// Sounds: understood, and no model is sent any yet.
    Audio,
    /// Films: understood, and no model is sent any yet.
    Video,
}
