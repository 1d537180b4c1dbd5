//! `session`: which conversations share a memory.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// How conversations map to sessions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Session {
    /// Whether senders have sessions at all. Default: per-sender.
    pub scope: SessionScope,
    /// How direct messages share a session. Default: main.
    pub dm_scope: DmScope,
    /// The name of an agent's main session. Default: `main`.
    pub main_key: String,
    /// One person's ids on several channels, such as `imessage:+15550001`, by the name they share.
    /// Default: none.
    pub identity_links: BTreeMap<String, Vec<String>>,
    /// How groups share a session. Default: per-group.
    pub group_scope: GroupScope,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            scope: SessionScope::default(),
            dm_scope: DmScope::default(),
            main_key: "main".to_owned(),
            identity_links: BTreeMap::new(),
            group_scope: GroupScope::default(),
        }
    }
}

/// Whether senders have sessions at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionScope {
    /// Conversations have sessions of their own, as the other settings say.
    #[default]
    PerSender,
    /// Everything is one session.
    Global,
}

/// How direct messages share a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DmScope {
    /// All direct messages are the agent's main session.
    #[default]
    Main,
    /// One session per person, over all channels.
    PerPeer,
    /// One session per person and channel.
    PerChannelPeer,
    /// One session per person, channel and account.
    PerAccountChannelPeer,
}

/// How groups share a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupScope {
    /// One session per group.
    #[default]
    PerGroup,
    /// All groups are the agent's main session.
    Main,
}
