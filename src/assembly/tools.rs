//! Tools: which agent may use which, and how they behave.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use telson_actors::tool::core::exec::ExecSettings;
use telson_actors::tool::core::reach::{CrossContext, Reach, Visibility};
use telson_actors::tool::core::web::{FetchSettings, SsrfPolicy};
use telson_actors::tool::core::{CoreSettings, NAMES};
use telson_actors::tool::gate::ExecMode;
use telson_actors::tool::policy::{Policy, Profile, Scope};

use super::Assembly;
use super::channels::expand;
use crate::config::{
    self, AgentTools, Config, ExecPolicy, Lookup, SessionVisibility, SsrfRules, ToolProfile, Tools,
};

/// The only variables of our own environment that commands see: none of them is a secret.
const PASSED_ON: [&str; 9] =
    ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"];

pub(super) fn add(assembly: &mut Assembly, config: &Config, env: &Lookup<'_>) {
    let shared = shared_scope(&config.tools);
    let mut commanders = BTreeSet::new();
    for (id, agent) in config.agents_map() {
        let mode = agent.tools.exec.policy().or(config.tools.exec.policy());
        let mode = mode.map_or(ExecMode::Deny, exec_mode);
        let mut policy = Policy::new(&shared, &own_scope(&agent.tools));
        if mode != ExecMode::Full {
            // Nobody could agree to a call: the model need not know that there is such a tool.
            policy = policy.without("exec");
        }
        if config.tools.web.fetch.enabled == Some(false) {
            policy = policy.without("web_fetch");
        }
        if policy.allows("exec") {
            commanders.insert(id.clone());
        }
        let usable: Vec<&str> = NAMES.into_iter().filter(|name| policy.allows(name)).collect();
        if !usable.is_empty() {
            assembly.notes.push(format!("agent {id} may use {}", usable.join(", ")));
        }
        assembly.build(|builder| builder.tool_policy(&id, policy).exec_mode(&id, mode));
    }
    let settings = CoreSettings { commanders, ..settings(config, env) };
    assembly.build(|builder| builder.core_tools(settings));
}

fn shared_scope(tools: &Tools) -> Scope {
    Scope {
        profile: tools.profile.map(profile),
        allow: tools.allow.clone(),
        also_allow: tools.also_allow.clone(),
        deny: tools.deny.clone(),
    }
}

fn own_scope(tools: &AgentTools) -> Scope {
    Scope {
        profile: tools.profile.map(profile),
        allow: tools.allow.clone(),
        also_allow: tools.also_allow.clone(),
        deny: tools.deny.clone(),
    }
}

fn profile(profile: ToolProfile) -> Profile {
    match profile {
        ToolProfile::Minimal => Profile::Minimal,
        ToolProfile::Coding => Profile::Coding,
        ToolProfile::Messaging => Profile::Messaging,
        ToolProfile::Full => Profile::Full,
    }
}

fn exec_mode(policy: ExecPolicy) -> ExecMode {
    match policy {
        ExecPolicy::Deny => ExecMode::Deny,
        ExecPolicy::Allowlist => ExecMode::Allowlist,
        ExecPolicy::Ask => ExecMode::Ask,
        ExecPolicy::Auto => ExecMode::Auto,
        ExecPolicy::Full => ExecMode::Full,
    }
}

fn settings(config: &Config, env: &Lookup<'_>) -> CoreSettings {
    let tools = &config.tools;
    let home = env("HOME").filter(|home| !home.is_empty());
    let default = config.default_agent();
    let workspaces = config.agents_map().into_iter().filter_map(|(id, agent)| {
        let shared = config.agents.defaults.workspace.clone();
        let shared = shared.filter(|_| default.as_ref() == Some(&id));
        let folder: PathBuf = expand(&agent.workspace.or(shared)?, home.as_deref());
        Some((id, folder))
    });
    let meet = &tools.agent_to_agent;
    let cross = &tools.message.cross_context;
    CoreSettings {
        workspaces: workspaces.collect(),
        private: Vec::new(),
        fetch: fetch(&tools.web.fetch),
        exec: exec(tools, env),
        reach: Reach {
            visibility: match tools.sessions.visibility {
                SessionVisibility::Own | SessionVisibility::Tree => Visibility::Own,
                SessionVisibility::Agent => Visibility::Agent,
                SessionVisibility::All => Visibility::All,
            },
            agents_meet: meet.enabled.unwrap_or(true),
            agents: meet.allow.clone(),
        },
        owners: config
            .commands
            .owner_allow_from
            .iter()
            .map(|owner| owner.trim().to_owned())
            .collect(),
        commanders: BTreeSet::new(),
        cross: CrossContext {
            within_channel: cross.allow_within_provider.unwrap_or(true),
            across_channels: cross.allow_across_providers.unwrap_or(true),
        },
    }
}

fn exec(tools: &Tools, env: &Lookup<'_>) -> ExecSettings {
    let mut settings = ExecSettings::default();
    if let Some(seconds) = tools.exec.timeout_seconds {
        settings.timeout = Duration::from_secs(seconds);
    }
    settings.environment = environment(env);
    settings
}

/// What commands see of our own environment.
pub(super) fn environment(env: &Lookup<'_>) -> Vec<(String, String)> {
    let mut environment = ExecSettings::default().environment;
    for name in PASSED_ON {
        if let Some(value) = env(name).filter(|value| !value.is_empty()) {
            environment.retain(|(known, _)| known != name);
            environment.push((name.to_owned(), value));
        }
    }
    environment
}

/// What may be reached besides the public internet.
pub(super) fn policy(rules: &SsrfRules) -> SsrfPolicy {
    SsrfPolicy {
        allow_private_network: rules.dangerously_allow_private_network,
        allow_benchmark: rules.allow_rfc2544_benchmark_range,
        allow_unique_local: rules.allow_ipv6_unique_local_range,
        allowed_hosts: rules.allowed_hostnames.clone(),
        blocked_hosts: rules.blocked_hostnames.clone(),
    }
}

/// How pages of the web are reached, and which of them.
pub(crate) fn fetch(fetch: &config::WebFetch) -> FetchSettings {
    let size = |number: Option<u64>, default: usize| {
        number.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX))
    };
    let usual = FetchSettings::default();
    FetchSettings {
        timeout: fetch.timeout_seconds.map_or(usual.timeout, Duration::from_secs),
        redirects_max: size(fetch.max_redirects, usual.redirects_max),
        response_bytes_max: size(fetch.max_response_bytes, usual.response_bytes_max),
        chars_max: size(fetch.max_chars, usual.chars_max),
        user_agent: fetch.user_agent.clone().unwrap_or(usual.user_agent),
        policy: policy(&fetch.ssrf_policy),
        lookup: usual.lookup,
    }
}
