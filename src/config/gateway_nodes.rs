//! `gateway.nodes`: what nodes may be asked, and how new ones are let in.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// Devices that let agents use what they can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayNodes {
    /// The commands of nodes.
    pub commands: NodeCommands,
    /// How new devices are let in without a person.
    pub pairing: NodePairing,
}

/// Commands of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeCommands {
    /// Commands no node is ever asked, whoever has allowed them. Exact names. Default: none.
    pub deny: Vec<String>,
}

/// How new devices are let in without a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NodePairing {
    /// Whether a new device on this machine that has the shared secret is let in. Default: true.
    pub auto_approve_local: bool,
    /// Addresses and networks whose new nodes are let in, such as `192.168.1.0/24`. What a node
    /// offers still has to be allowed. Default: none.
    pub auto_approve_cidrs: Vec<String>,
    /// Whether a new node's key is looked up on its machine over `ssh`, and the node let in when it
    /// is the same. Default: true.
    pub ssh_verify: SshVerify,
}

impl Default for NodePairing {
    fn default() -> Self {
        Self {
            auto_approve_local: true,
            auto_approve_cidrs: Vec::new(),
            ssh_verify: SshVerify::default(),
        }
    }
}

/// Whether and how keys are looked up over `ssh`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum SshVerify {
    /// Whether they are, as whoever runs the gateway.
    Switch(bool),
    /// They are, in this way.
    Rules(SshRules),
}

impl<'de> Deserialize<'de> for SshVerify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchOrRules)
    }
}

struct SwitchOrRules;

impl<'de> Visitor<'de> for SwitchOrRules {
    type Value = SshVerify;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or {user, identity, timeoutMs, cidrs}")
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<SshVerify, E> {
        Ok(SshVerify::Switch(is_on))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SshVerify, A::Error> {
        SshRules::deserialize(MapAccessDeserializer::new(map)).map(SshVerify::Rules)
    }
}

impl Default for SshVerify {
    fn default() -> Self {
        Self::Switch(true)
    }
}

impl SshVerify {
    /// The rules, where keys are looked up at all.
    pub fn rules(&self) -> Option<SshRules> {
        match self {
            Self::Switch(is_on) => is_on.then(SshRules::default),
            Self::Rules(rules) => Some(rules.clone()),
        }
    }
}

/// How keys are looked up over `ssh`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SshRules {
    /// Whom to log in as. Default: whoever runs the gateway.
    pub user: Option<String>,
    /// The file with the key to log in with. Default: what `ssh` itself finds.
    pub identity: Option<String>,
    /// How long it may take, in milliseconds. Default: 7000.
    pub timeout_ms: u64,
    /// The addresses that are asked. Default: private ones and those of Tailscale.
    pub cidrs: Vec<String>,
}

impl Default for SshRules {
    fn default() -> Self {
        Self { user: None, identity: None, timeout_ms: 7000, cidrs: Vec::new() }
    }
}
