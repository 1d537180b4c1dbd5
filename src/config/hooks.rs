//! `hooks`: programs that are told and asked about what happens, and webhooks of other services.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::Secret;
use super::webhooks::{HookMapping, HookPreset};

/// Programs that are told and asked about what happens, and webhooks of other services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Hooks {
    /// The programs by name. Default: none.
    pub commands: BTreeMap<String, HookCommand>,
    /// Whether other services may speak to webhooks on the gateway's port. Default: false.
    pub enabled: bool,
    /// What they show in `Authorization: Bearer` or `x-openclaw-token`; not the gateway's token.
    /// Required where they are enabled.
    pub token: Option<Secret>,
    /// Where they are. Default: `/hooks`.
    pub path: Option<String>,
    /// What becomes of requests to `<path>/<name>`, first match first. Default: none.
    pub mappings: Vec<HookMapping>,
    /// Senders that need no mapping. Default: none.
    pub presets: Vec<HookPreset>,
    /// The key GitHub signs with. Default: `token`.
    pub github_secret: Option<Secret>,
    /// The signed identity that Pub/Sub may show instead of the token, for the preset `gmail`.
    /// Default: none counts.
    pub gmail_push: Option<GmailPush>,
    /// The session of requests that name none. Default: one of its own for each request.
    pub default_session_key: Option<String>,
    /// Whether a request may choose its session. Default: false.
    pub allow_request_session_key: bool,
    /// How the sessions requests choose must begin. Default: anyhow.
    pub allowed_session_key_prefixes: Vec<String>,
    /// The agents requests may choose; `*` stands for all. Default: all.
    pub allowed_agent_ids: Option<Vec<String>>,
    /// Longest body, in bytes, from 1 to 26214400. Default: 262144.
    pub max_body_bytes: Option<u64>,
}

/// Whose signed identity counts: what a push subscription with authentication is set up with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GmailPush {
    /// The audience of the subscription.
    pub audience: String,
    /// The e-mail address of the service account that signs.
    pub service_account: String,
    /// Where its keys are. Default: Google's, `https://www.googleapis.com/oauth2/v3/certs`.
    #[serde(default)]
    pub jwks_url: Option<String>,
}

impl GmailPush {
    /// Where the keys are.
    pub fn jwks_url(&self) -> &str {
        self.jwks_url.as_deref().unwrap_or("https://www.googleapis.com/oauth2/v3/certs")
    }
}

/// One program. It is started for each event, reads it as JSON on its standard input, and may write
/// a decision as JSON on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HookCommand {
    /// Whether it is used. Default: true.
    pub enabled: bool,
    /// The moments it is started for, such as `message_received` or `before_tool_call`; at least
    /// one.
    pub on: Vec<String>,
    /// The program: a path, `~/` being the home folder, or a name to be found in `PATH`.
    pub command: String,
    /// Its arguments. Default: none.
    pub args: Vec<String>,
    /// Variables it gets besides those of the service. Default: none.
    pub env: BTreeMap<String, String>,
    /// Among hooks that can change something the highest goes first. Default: 0.
    pub priority: i32,
    /// How long it may take before it is killed, in milliseconds, from 1 to 600000. Default: 5000.
    pub timeout_ms: u64,
}

impl Default for HookCommand {
    fn default() -> Self {
        Self {
            enabled: true,
            on: Vec::new(),
            command: String::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            priority: 0,
            timeout_ms: 5000,
        }
    }
}
