//! `cron`: jobs that wake agents at their time.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::imessage::UnsettledSends;
use super::secret::Secret;
use super::tools::SsrfRules;

/// Jobs that wake agents at their time.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Cron {
    /// Whether they run. Default: true.
    pub enabled: bool,
    /// Runs at the same time, from 1 to 100; further ones wait for their turn. Default: 1.
    pub max_concurrent_runs: u32,
    /// How long the session of an isolated run is kept after its end, such as `24h` or `7d`, or
    /// `false` for ever. Default: 24h.
    pub session_retention: Retention,
    /// When somebody is told that a job fails.
    pub failure_alert: FailureAlert,
    /// What webhooks of jobs are shown in `Authorization: Bearer`. Default: nothing.
    pub webhook_token: Option<Secret>,
    /// What webhooks of jobs may reach besides the public web.
    pub webhook_ssrf_policy: SsrfRules,
    /// What becomes of a post whose outcome nobody knows: `park` shows it to a person, `resend`
    /// posts it again under the same `Idempotency-Key`. Default: park.
    pub webhook_unsettled_sends: Option<UnsettledSends>,
    /// Jobs of this config, each with an `id`, and otherwise as `telson cron add` makes them. They
    /// are changed and removed here. Default: none.
    pub jobs: Vec<serde_json::Value>,
}

impl Default for Cron {
    fn default() -> Self {
        Self {
            enabled: true,
            max_concurrent_runs: 1,
            session_retention: Retention::default(),
            failure_alert: FailureAlert::default(),
            webhook_token: None,
            webhook_ssrf_policy: SsrfRules::default(),
            webhook_unsettled_sends: None,
            jobs: Vec::new(),
        }
    }
}

/// When somebody is told that a job fails. A job can say something else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FailureAlert {
    /// Whether anybody is told. Default: true.
    pub enabled: bool,
    /// After so many failures in a row, at least 1. Default: 2.
    pub after: u32,
    /// Not again for so long, in milliseconds. Default: 3600000.
    pub cooldown_ms: u64,
    /// Whether runs that were skipped count. Default: false.
    pub include_skipped: bool,
    /// How it is told: `announce` as a message, `webhook` as a post. Default: announce.
    pub mode: Option<AlertMode>,
    /// The channel it is told on, with `to`; `last` is where the agent's main session last spoke.
    /// Default: where the job announces its answers.
    pub channel: Option<String>,
    /// Who is told, by the platform's id; for `webhook` the address.
    pub to: Option<String>,
    /// The account that tells. Default: the channel's first.
    pub account_id: Option<String>,
}

impl Default for FailureAlert {
    fn default() -> Self {
        Self {
            enabled: true,
            after: 2,
            cooldown_ms: 3_600_000,
            include_skipped: false,
            mode: None,
            channel: None,
            to: None,
            account_id: None,
        }
    }
}

/// How somebody is told that a job fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AlertMode {
    /// As a message on a channel.
    Announce,
    /// As a post to a program.
    Webhook,
}

/// A time in milliseconds, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(pub Option<u64>);

impl Default for Retention {
    fn default() -> Self {
        Self(Some(86_400_000))
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Time)
    }
}

struct Time;

impl Visitor<'_> for Time {
    type Value = Retention;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 24h or 7d, or false")
    }

    fn visit_bool<E: Error>(self, kept: bool) -> Result<Retention, E> {
        if kept {
            return Err(E::custom("must be a time such as 24h or 7d, or false"));
        }
        Ok(Retention(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Retention, E> {
        let millis = telson_actors::cron::wire::read_duration(text.trim());
        millis
            .map(|millis| Retention(Some(millis)))
            .ok_or_else(|| E::custom(format!("{text:?} is no time such as 30m, 24h or 7d")))
    }
}

impl JsonSchema for Retention {
    fn schema_name() -> Cow<'static, str> {
        "Retention".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [{"type": "string", "pattern": "^( *[0-9]+ *(ms|s|m|h|d))+ *$"}, {"const": false}]
        })
    }
}
