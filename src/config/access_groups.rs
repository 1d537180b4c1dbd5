//! `accessGroups`: named lists of people, for use in `allowFrom` lists.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::platform_id::PlatformId;

/// A list of people, referred to as `accessGroup:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccessGroup {
    /// How membership is told.
    #[serde(rename = "type")]
    pub kind: AccessGroupKind,
    /// The members by channel; `*` for all channels. Default: none, which matches nobody.
    #[serde(default)]
    pub members: BTreeMap<String, Vec<PlatformId>>,
}

/// How membership of an access group is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AccessGroupKind {
    /// By the list of members.
    #[serde(rename = "message.senders")]
    MessageSenders,
    /// By who can see a Discord channel; known, and matching nobody.
    #[serde(rename = "discord.channelAudience")]
    DiscordChannelAudience,
}
