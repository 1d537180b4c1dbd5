//! `commands`: who commands the gateway itself.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who commands the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Commands {
    /// The owners, each as `channel:id`, such as `imessage:+15551230001`. Only they may have an agent
    /// make jobs. Default: nobody.
    pub owner_allow_from: Vec<String>,
    /// Whether the signal SIGUSR1 has the service begin anew with the config as it is then. Default:
    /// it has.
    pub restart: bool,
}

impl Default for Commands {
    fn default() -> Self {
        Self { owner_allow_from: Vec::new(), restart: true }
    }
}
