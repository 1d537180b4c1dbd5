//! `bindings` and `broadcast`: which agents get which conversation.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::platform_id::PlatformId;
use super::session::{DmScope, GroupScope};

/// One rule: conversations that match go to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Binding {
    /// What the rule does. Default: route.
    #[serde(default, rename = "type")]
    pub kind: BindingKind,
    /// The agent.
    pub agent_id: String,
    /// Which conversations; all that is written must hold.
    #[serde(rename = "match")]
    pub matches: BindingMatch,
    /// Session settings for these conversations. Default: those of `session`.
    #[serde(default)]
    pub session: BindingSession,
    /// A note for people. Default: none.
    #[serde(default)]
    pub comment: Option<String>,
}

/// What a binding does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BindingKind {
    /// Chooses the agent.
    #[default]
    Route,
    /// Ties the conversation to an external coding session; known, not acted on yet.
    Acp,
}

/// Which conversations a binding is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BindingMatch {
    /// The channel, such as `imessage`.
    pub channel: String,
    /// The account; `*` for any. Default: the channel's default account only.
    #[serde(default)]
    pub account_id: Option<String>,
    /// The conversation. Default: any.
    #[serde(default)]
    pub peer: Option<PeerMatch>,
    /// The server, on channels that have them. Default: any.
    #[serde(default)]
    pub guild_id: Option<PlatformId>,
    /// The team, on channels that have them. Default: any.
    #[serde(default)]
    pub team_id: Option<PlatformId>,
    /// Roles of which the sender must have one. Default: any.
    #[serde(default)]
    pub roles: Vec<PlatformId>,
}

/// One conversation, or all of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PeerMatch {
    /// The kind of conversation.
    pub kind: PeerKind,
    /// The platform's id of the person or group; `*` for all of the kind.
    pub id: PlatformId,
}

/// A kind of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PeerKind {
    /// With one person. `dm` means the same.
    #[serde(alias = "dm")]
    Direct,
    /// In a group.
    Group,
    /// In a public channel or room.
    Channel,
}

/// Session settings of the conversations a binding claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct BindingSession {
    /// How direct messages share a session. Default: `session.dmScope`.
    pub dm_scope: Option<DmScope>,
    /// How groups share a session. Default: `session.groupScope`.
    pub group_scope: Option<GroupScope>,
}

/// Conversations that several agents answer; checked, not acted on yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Whether the agents answer at once or one after the other.
    pub strategy: BroadcastStrategy,
    /// The agents by conversation.
    pub peers: BTreeMap<String, Vec<String>>,
}

/// In which order the agents of a broadcast answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BroadcastStrategy {
    /// All at once.
    #[default]
    Parallel,
    /// One after the other.
    Sequential,
}

impl<'de> Deserialize<'de> for Broadcast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StrategyAndPeers)
    }
}

struct StrategyAndPeers;

impl<'de> Visitor<'de> for StrategyAndPeers {
    type Value = Broadcast;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Broadcast, A::Error> {
        let mut broadcast = Broadcast::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == "strategy" {
                broadcast.strategy = map.next_value()?;
            } else {
                broadcast.peers.insert(key, map.next_value()?);
            }
        }
        Ok(broadcast)
    }
}

impl JsonSchema for Broadcast {
    fn schema_name() -> Cow<'static, str> {
        "Broadcast".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": { "strategy": generator.subschema_for::<BroadcastStrategy>() },
            "additionalProperties": { "type": "array", "items": { "type": "string" } }
        })
    }
}
