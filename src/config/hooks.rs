//! `hooks`: programs that are told and asked about what happens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Programs that are told and asked about what happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Hooks {
    /// The programs by name. Default: none.
    pub commands: BTreeMap<String, HookCommand>,
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
