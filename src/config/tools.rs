//! `tools`: what agents may do besides talking.

use schemars::JsonSchema;
use serde::Deserialize;

/// What agents may do besides talking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Tools {
    /// The set of tools to begin with. Default: none but those of plugged-in servers.
    pub profile: Option<ToolProfile>,
    /// If not empty, nothing else may be used: names, patterns with `*`, groups such as `group:fs`.
    /// Not together with `alsoAllow`. Default: empty.
    pub allow: Vec<String>,
    /// Added to the profile. Default: empty.
    pub also_allow: Vec<String>,
    /// Never to be used; wins over everything. Default: empty.
    pub deny: Vec<String>,
    /// Running commands.
    pub exec: ExecTool,
    /// Files.
    pub fs: FileTools,
    /// The web.
    pub web: WebTools,
    /// Which sessions the session tools reach.
    pub sessions: SessionTools,
    /// Whether agents reach each other's sessions.
    pub agent_to_agent: AgentToAgent,
    /// Where messages may go.
    pub message: MessageTool,
}

/// What one agent may do besides talking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentTools {
    /// The set of tools to begin with, in place of `tools.profile`. Default: `tools.profile`.
    pub profile: Option<ToolProfile>,
    /// If not empty, nothing else may be used, also of what `tools` allows. Not together with
    /// `alsoAllow`. Default: empty.
    pub allow: Vec<String>,
    /// Added to the profile, in place of `tools.alsoAllow`. Default: `tools.alsoAllow`.
    pub also_allow: Vec<String>,
    /// Never to be used, besides `tools.deny`. Default: empty.
    pub deny: Vec<String>,
    /// Running commands, in place of what `tools.exec` says.
    pub exec: ExecTool,
    /// Files.
    pub fs: FileTools,
}

/// A named set of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ToolProfile {
    /// Only asking about the own session.
    Minimal,
    /// Files, commands, the web, sessions.
    Coding,
    /// Messages and sessions.
    Messaging,
    /// Everything.
    Full,
}

/// Running commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ExecTool {
    /// Whether commands run. Default: deny. Until a person can be asked, only full runs any.
    pub mode: Option<ExecPolicy>,
    /// The older spelling of `mode`; where both are given, the stricter counts. Default: `mode`.
    pub security: Option<ExecSecurity>,
    /// With `security`: whether a person is asked. Default: off.
    pub ask: Option<ExecAsk>,
    /// Where commands run; only this machine (auto or gateway) runs any. Default: auto.
    pub host: Option<ExecHost>,
    /// Longest time of a command, in seconds, at least 1; for all agents. Default: 1800.
    pub timeout_seconds: Option<u64>,
}

impl ExecTool {
    /// Whether commands run, if anything is said about it.
    pub fn policy(&self) -> Option<ExecPolicy> {
        let elsewhere = matches!(self.host, Some(ExecHost::Sandbox | ExecHost::Node));
        let older = self.security.map(|security| match (security, self.ask) {
            (ExecSecurity::Deny, _) => ExecPolicy::Deny,
            (ExecSecurity::Allowlist, _) => ExecPolicy::Allowlist,
            (ExecSecurity::Full, None | Some(ExecAsk::Off)) => ExecPolicy::Full,
            (ExecSecurity::Full, Some(ExecAsk::OnMiss | ExecAsk::Always)) => ExecPolicy::Ask,
        });
        let asked = self.ask.filter(|ask| *ask != ExecAsk::Off).map(|_| ExecPolicy::Ask);
        let here = [self.mode, older, asked].into_iter().flatten().min();
        if elsewhere { Some(ExecPolicy::Deny) } else { here }
    }
}

/// Whether commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExecPolicy {
    /// Never.
    Deny,
    /// Only approved ones.
    Allowlist,
    /// After a person agreed.
    Ask,
    /// After a classifier or a person agreed.
    Auto,
    /// Always.
    Full,
}

/// The older spelling of [`ExecPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExecSecurity {
    /// Never.
    Deny,
    /// Only approved ones.
    Allowlist,
    /// Always, unless `ask` says otherwise.
    Full,
}

/// Whether a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExecAsk {
    /// Never.
    Off,
    /// Where no approval fits.
    OnMiss,
    /// Always.
    Always,
}

/// Where commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExecHost {
    /// On this machine.
    Auto,
    /// In a sandbox, which this program does not have.
    Sandbox,
    /// On this machine.
    Gateway,
    /// On another machine, which this program can't.
    Node,
}

/// Files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FileTools {
    /// Whether only the workspace is reached. This program reaches nothing else. Default: true.
    pub workspace_only: Option<bool>,
}

/// The web.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WebTools {
    /// Fetching pages.
    pub fetch: WebFetch,
}

/// Fetching pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WebFetch {
    /// Whether pages are fetched at all. Default: true.
    pub enabled: Option<bool>,
    /// Characters of a page that are shown, at least 1. Default: 15000.
    pub max_chars: Option<u64>,
    /// Bytes of a page that are read, at least 1. Default: 2000000.
    pub max_response_bytes: Option<u64>,
    /// Longest time of a call, in seconds, at least 1. Default: 30.
    pub timeout_seconds: Option<u64>,
    /// Redirects followed. Default: 3.
    pub max_redirects: Option<u64>,
    /// How the program introduces itself. Default: its name and version.
    pub user_agent: Option<String>,
    /// What may be reached besides the public web.
    pub ssrf_policy: SsrfRules,
}

/// What may be reached besides the public web, and what not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SsrfRules {
    /// Private networks and this machine. Default: false.
    pub dangerously_allow_private_network: bool,
    /// 198.18.0.0/15, which some proxies answer with. Default: false.
    pub allow_rfc2544_benchmark_range: bool,
    /// fc00::/7, likewise. Default: false.
    pub allow_ipv6_unique_local_range: bool,
    /// Exact names and addresses that may be reached wherever they lead. Default: none.
    pub allowed_hostnames: Vec<String>,
    /// Names, or `*.name`, that are never reached. Default: none.
    pub blocked_hostnames: Vec<String>,
}

/// Which sessions the session tools reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SessionTools {
    /// How far they reach. Default: agent.
    pub visibility: SessionVisibility,
}

/// How far session tools reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SessionVisibility {
    /// The calling session.
    #[serde(rename = "self")]
    Own,
    /// The calling session and those it started, of which there are none.
    Tree,
    /// All sessions of the agent.
    #[default]
    Agent,
    /// All sessions, as far as `agentToAgent` lets agents meet.
    All,
}

/// Whether agents reach each other's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentToAgent {
    /// Whether at all, where `sessions.visibility` is all. Default: true.
    pub enabled: Option<bool>,
    /// Which agents take part, as ids or patterns; both sides must. Default: all.
    pub allow: Vec<String>,
}

/// Sending messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MessageTool {
    /// Messages that leave the conversation they are written in.
    pub cross_context: CrossContext,
}

/// Messages that leave the conversation they are written in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CrossContext {
    /// Whether they may go to other conversations of the same channel. Default: true.
    pub allow_within_provider: Option<bool>,
    /// Whether they may go to other channels. Default: true.
    pub allow_across_providers: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_things_said_about_commands_the_strictest_counts() {
        let policy = |text: &str| json5::from_str::<ExecTool>(text).unwrap().policy();
        for (text, expected) in [
            ("{}", None),
            ("{mode: 'full'}", Some(ExecPolicy::Full)),
            ("{mode: 'ask'}", Some(ExecPolicy::Ask)),
            ("{security: 'full'}", Some(ExecPolicy::Full)),
            ("{security: 'full', ask: 'always'}", Some(ExecPolicy::Ask)),
            ("{mode: 'full', security: 'deny'}", Some(ExecPolicy::Deny)),
            ("{mode: 'full', ask: 'on-miss'}", Some(ExecPolicy::Ask)),
            ("{mode: 'full', host: 'sandbox'}", Some(ExecPolicy::Deny)),
            ("{mode: 'full', host: 'gateway'}", Some(ExecPolicy::Full)),
        ] {
            assert_eq!(policy(text), expected, "{text}");
        }
    }
}
