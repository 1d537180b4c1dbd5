//! `commands`: who commands the gateway itself.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who commands the gateway itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Commands {
    /// The owners, each as `channel:id`, such as `imessage:+15551230001`. Only they may have an agent
    /// make jobs. Default: nobody.
    pub owner_allow_from: Vec<String>,
}
