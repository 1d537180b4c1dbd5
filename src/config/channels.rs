//! `channels`: where messages come from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::heartbeat::HeartbeatVisibility;
use super::imessage::Imessage;

/// The channels; each one with a block here is served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Channels {
    /// What channels use where they say nothing themselves.
    pub defaults: ChannelDefaults,
    /// iMessage, through the Messages app of a Mac. Default: not served.
    pub imessage: Option<Imessage>,
}

/// What channels share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ChannelDefaults {
    /// Who may speak to the agent in groups. Default: allowlist.
    pub group_policy: Option<GroupPolicy>,
    /// What is shown of heartbeats. Default, for each setting: the older key `heartbeat`.
    pub heartbeat_visibility: Option<HeartbeatVisibility>,
    /// The older name of `heartbeatVisibility`.
    pub heartbeat: Option<HeartbeatVisibility>,
}

/// Who may speak to the agent directly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DmPolicy {
    /// Those on the list and those approved; others get a code to be approved with.
    #[default]
    Pairing,
    /// Those on the list and those approved; others get nothing.
    Allowlist,
    /// Everybody; needs `*` on the list as well.
    Open,
    /// Nobody.
    Disabled,
}

/// Who may speak to the agent in groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GroupPolicy {
    /// Those on the list.
    #[default]
    Allowlist,
    /// Everybody in the group.
    Open,
    /// Nobody.
    Disabled,
}
