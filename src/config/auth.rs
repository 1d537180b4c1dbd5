//! `auth`: several keys of one provider, their order, and how long one rests that fails.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::Secret;

/// The keys of providers that have more than one.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Auth {
    /// Auth profiles by id, such as `openai:work`. Default: none; a provider then has the one key
    /// of `models.providers` or of its environment variable.
    pub profiles: BTreeMap<String, AuthProfile>,
    /// The order in which a provider's profiles are used. Default: by mode (oauth, token, api_key),
    /// then the one that was idle longest.
    pub order: BTreeMap<String, Vec<String>>,
    /// How long a profile rests that fails.
    pub cooldowns: AuthCooldowns,
}

/// One key of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthProfile {
    /// The provider it is for.
    pub provider: String,
    /// How it signs. Default: api_key.
    #[serde(default)]
    pub mode: AuthMode,
    /// The key or token itself: text, or a secret reference. Default: the provider's own key.
    #[serde(default)]
    pub key: Option<Secret>,
}

/// How a profile signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// An API key.
    #[default]
    ApiKey,
    /// A login with an access token. It is used as it stands; it is not refreshed.
    Oauth,
    /// A token somebody has issued.
    Token,
}

/// How long profiles rest that need a person. Those over their rate rest 30 s, 1 min, then 5 min.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthCooldowns {
    /// First rest of a profile without credit, in hours; doubles each time. Default: 5.
    pub billing_backoff_hours: Option<f64>,
    /// The same for single providers. Default: as for all.
    pub billing_backoff_hours_by_provider: BTreeMap<String, f64>,
    /// Longest rest of a profile without credit, in hours. Default: 24.
    pub billing_max_hours: Option<f64>,
    /// First rest of a profile that may not do what was asked, in minutes; doubles each time.
    /// Default: 10.
    pub auth_permanent_backoff_minutes: Option<f64>,
    /// Longest such rest, in minutes. Default: 60.
    pub auth_permanent_max_minutes: Option<f64>,
    /// Time after which failures no longer lengthen a rest, in hours. Default: 24.
    pub failure_window_hours: Option<f64>,
}
