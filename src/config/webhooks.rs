//! The part of `hooks` that other services speak to: `POST <path>/wake`, `/agent` and `/<name>`.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a request to `<path>/<name>` becomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HookMapping {
    /// Its name in logs. Default: its path.
    pub id: Option<String>,
    /// Which requests it is for. The first mapping that fits is used.
    #[serde(rename = "match")]
    pub matches: HookMatch,
    /// What it becomes. Default: agent.
    pub action: HookAction,
    /// When a `wake` is noticed. Default: now.
    pub wake_mode: WakeMode,
    /// What the agent is told the message is from. Default: the path.
    pub name: Option<String>,
    /// The agent. Default: the default one.
    pub agent_id: Option<String>,
    /// The session; may hold `{{...}}` where requests may choose one.
    /// Default: `hooks.defaultSessionKey`, else one of its own for each request.
    pub session_key: Option<String>,
    /// The message for `agent`, with `{{field.of[0].the.payload}}`. Default: the whole payload.
    pub message_template: Option<String>,
    /// The text for `wake`, likewise.
    pub text_template: Option<String>,
    /// Whether the answer is sent to anybody. Default: true.
    pub deliver: Option<bool>,
    /// Lets the payload reach the agent without the marks of untrusted content. Default: false.
    pub allow_unsafe_external_content: bool,
    /// The channel the answer goes out on, or `last`. Default: none; it stays in the session.
    pub channel: Option<String>,
    /// Whom it goes to.
    pub to: Option<String>,
    /// The account it goes out from. Default: the channel's default one.
    pub account_id: Option<String>,
    /// The model. Default: the agent's.
    pub model: Option<String>,
}

/// Which requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HookMatch {
    /// The last part of the path, such as `github`. Default: any.
    pub path: Option<String>,
    /// The field `source` of the payload. Default: any.
    pub source: Option<String>,
}

/// What a request becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookAction {
    /// A note in the agent's main session.
    Wake,
    /// A message in a session of its own.
    #[default]
    Agent,
}

/// When a note is noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WakeMode {
    /// At once.
    #[default]
    Now,
    /// With the next heartbeat.
    NextHeartbeat,
}

/// Senders that need no mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookPreset {
    /// `<path>/gmail`: pushes of Gmail, as Pub/Sub or a mail watcher sends them, with the token or
    /// by `gmailPush`.
    Gmail,
    /// `<path>/github`: webhooks of GitHub, by their signature.
    Github,
}
