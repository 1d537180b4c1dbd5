//! The whole config, and the questions asked of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::access_groups::AccessGroup;
use super::agents::{AgentEntry, Agents, MAIN_AGENT};
use super::auth::Auth;
use super::bindings::{Binding, BindingKind, Broadcast};
use super::channels::Channels;
use super::commands::Commands;
use super::cron::Cron;
use super::env::{Lookup, Missing};
use super::finding::Finding;
use super::gateway::Gateway;
use super::hooks::Hooks;
use super::imessage::{Imessage, ImessageAccount};
use super::logging::Logging;
use super::mcp::Mcp;
use super::messages::Messages;
use super::models::Models;
use super::path::Path;
use super::secret::Secret;
use super::secrets::Secrets;
use super::session::Session;
use super::tools::Tools;
use super::usage::Usage;
use super::variables::Variables;

/// Everything a config file can say. Every setting has a default, so `{}` is a config.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The schema editors check the file against; not used otherwise.
    #[serde(rename = "$schema")]
    pub schema_url: Option<String>,
    /// Notes other programs keep in the file; not used.
    pub meta: Option<serde_json::Value>,
    /// Variables the config brings along.
    pub env: Variables,
    /// The agents.
    pub agents: Agents,
    /// Which agent gets which conversation, first match first. Default: none.
    pub bindings: Vec<Binding>,
    /// Conversations that several agents answer. Default: none.
    pub broadcast: Option<Broadcast>,
    /// Which conversations share a memory.
    pub session: Session,
    /// What happens to messages that arrive during a turn.
    pub messages: Messages,
    /// Where messages come from.
    pub channels: Channels,
    /// Where models are.
    pub models: Models,
    /// Servers that bring tools.
    pub mcp: Mcp,
    /// Which keys they are asked with.
    pub auth: Auth,
    /// Files that hold credentials.
    pub secrets: Secrets,
    /// Programs that are told and asked about what happens, and webhooks of other services.
    pub hooks: Hooks,
    /// Who commands the gateway itself.
    pub commands: Commands,
    /// Jobs that wake agents at their time.
    pub cron: Cron,
    /// Named lists of people. Default: none.
    pub access_groups: BTreeMap<String, AccessGroup>,
    /// What agents may do besides talking.
    pub tools: Tools,
    /// What the models may cost.
    pub usage: Usage,
    /// How to log.
    pub logging: Logging,
    /// The port of clients, apps and pages.
    pub gateway: Gateway,
}

impl Config {
    /// The agents by id, from both spellings, with the shared model filled in.
    /// There is always at least one: `main`, if none is configured.
    pub fn agents_map(&self) -> BTreeMap<String, AgentEntry> {
        let named = self.agents.entries.iter().map(|(id, entry)| (id.clone(), entry));
        let listed = self.agents.list.iter().filter_map(|entry| Some((entry.id.clone()?, entry)));
        let mut agents: BTreeMap<_, _> =
            named.chain(listed).map(|(id, entry)| (id, entry.clone())).collect();
        if agents.is_empty() {
            agents.insert(MAIN_AGENT.to_owned(), AgentEntry::default());
        }
        for (id, entry) in &mut agents {
            entry.id = Some(id.clone());
            let shared = &self.agents.defaults.model;
            entry.model = entry.model.take().or_else(|| shared.clone());
            if let (Some(own), Some(shared)) = (&mut entry.model, shared) {
                own.primary = own.primary.take().or_else(|| shared.primary.clone());
            }
        }
        agents
    }

    /// What a model's name stands for, if it is an alias; else the name.
    pub fn model_named<'a>(&'a self, name: &'a str) -> &'a str {
        let is_meant = |alias: &str| alias.trim().eq_ignore_ascii_case(name.trim());
        let mut aliases = self.agents.defaults.models.iter();
        let found = aliases.find(|(_, model)| model.alias.as_deref().is_some_and(is_meant));
        found.map_or(name, |(model, _)| model)
    }

    /// The agent for messages no binding claims: the one marked default, else a sole agent.
    pub fn default_agent(&self) -> Option<String> {
        let agents = self.agents_map();
        let sole = agents.len() == 1;
        agents.into_iter().find(|(_, entry)| entry.default || sole).map(|(id, _)| id)
    }

    /// What counts as a mention of an agent: its own patterns, else the shared ones.
    pub fn mention_patterns(&self, agent_id: &str) -> Vec<String> {
        let entry = self.agents_map().remove(agent_id).unwrap_or_default();
        let shared = &self.messages.group_chat.mention_patterns;
        match &entry.group_chat.mention_patterns {
            Some(own) => own.clone(),
            None if !shared.is_empty() => shared.clone(),
            None => entry.names_as_patterns(),
        }
    }

    /// The bindings that choose an agent, in the order they apply, with their position in the file.
    pub fn routes(&self) -> impl Iterator<Item = (usize, &Binding)> {
        let bindings = self.bindings.iter().enumerate();
        bindings.filter(|(_, binding)| binding.kind == BindingKind::Route)
    }

    /// The iMessage accounts by id, every setting decided; none if the channel is not configured.
    pub fn imessage_accounts(&self) -> BTreeMap<String, ImessageAccount> {
        let fallback = self.channels.defaults.group_policy.unwrap_or_default();
        let channel = self.channels.imessage.as_ref();
        let mut accounts = channel.map(|channel| channel.accounts(fallback)).unwrap_or_default();
        for account in accounts.values_mut() {
            let shared = || self.messages.response_prefix.clone();
            account.response_prefix = account.response_prefix.take().or_else(shared);
        }
        accounts
    }

    /// The iMessage account meant where none is named.
    pub fn imessage_default_account(&self) -> Option<&str> {
        self.channels.imessage.as_ref().map(Imessage::default_account)
    }

    /// Fills in the secrets; returns a remark for each whose variable is unset.
    pub(super) fn resolve_secrets(
        &mut self,
        env: &Lookup<'_>,
        missing: &[Missing],
    ) -> Vec<Finding> {
        let mut unset = Vec::new();
        let places = self.secrets.clone();
        for (path, secret) in self.credentials() {
            if let Some((provider, id)) = secret.in_file() {
                match places.read(provider, id) {
                    Ok(value) => secret.fill(value),
                    Err(why) => unset.push(Finding::new(path, format!("has no value: {why}"))),
                }
                continue;
            }
            if let Some(missing) = missing.iter().find(|missing| missing.path == path) {
                // Already remarked on when the reference in the text could not be replaced.
                secret.withdraw(&missing.variable);
                continue;
            }
            secret.resolve(env);
            if let Some(variable) = secret.missing_variable() {
                unset.push(unset_variable(path, variable));
            }
        }
        unset
    }

    fn credentials(&mut self) -> Vec<(Path, &mut Secret)> {
        let mut secrets = Vec::new();
        for (id, provider) in &mut self.models.providers {
            let path = Path::of(&["models", "providers", id]);
            if let Some(key) = &mut provider.api_key {
                secrets.push((path.key("apiKey"), key));
            }
            for (name, value) in &mut provider.headers {
                secrets.push((path.key("headers").key(name), value));
            }
        }
        for (id, server) in &mut self.mcp.servers {
            let path = Path::of(&["mcp", "servers", id]);
            let env = server.env.iter_mut().map(|(name, value)| ("env", name, value));
            let headers = server.headers.iter_mut().map(|(name, value)| ("headers", name, value));
            for (key, name, value) in env.chain(headers) {
                secrets.push((path.key(key).key(name), value));
            }
        }
        let auth = &mut self.gateway.auth;
        let gateway = [("token", &mut auth.token), ("password", &mut auth.password)];
        for (name, secret) in gateway {
            if let Some(secret) = secret {
                secrets.push((Path::of(&["gateway", "auth", name]), secret));
            }
        }
        let hooks = &mut self.hooks;
        let hooks = [("token", &mut hooks.token), ("githubSecret", &mut hooks.github_secret)];
        for (name, secret) in hooks {
            if let Some(secret) = secret {
                secrets.push((Path::of(&["hooks", name]), secret));
            }
        }
        if let Some(token) = &mut self.cron.webhook_token {
            secrets.push((Path::of(&["cron", "webhookToken"]), token));
        }
        for (id, profile) in &mut self.auth.profiles {
            if let Some(key) = &mut profile.key {
                secrets.push((Path::of(&["auth", "profiles", id, "key"]), key));
            }
        }
        secrets
    }
}

/// The remark on a setting whose variable is unset or empty.
pub(super) fn unset_variable(path: Path, variable: &str) -> Finding {
    Finding::new(path, format!("the environment variable {variable} is not set"))
}
