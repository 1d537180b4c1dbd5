//! `usage`: what may be spent, and the prices it is reckoned with.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// What the models may cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Usage {
    /// Bounds that are looked at before each call to a model. Default: none.
    pub budget: Budgets,
}

/// Bounds on the use of models. Days are those of UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Budgets {
    /// For all conversations together, in one day. Default: unlimited.
    pub per_day: Budget,
    /// For each conversation, in one day. Default: unlimited.
    pub per_session_day: Budget,
}

/// One bound. The call that reaches it is the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Budget {
    /// Tokens read and written, at least 1. Default: unlimited.
    pub tokens: Option<u64>,
    /// Dollars, by the prices in `models`; calls of models without a price do not count.
    /// Default: unlimited.
    pub usd: Option<Dollars>,
}

/// What a model's tokens cost, in dollars for a million of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ModelCost {
    /// Tokens read. Default: 0.
    #[serde(default)]
    pub input: Dollars,
    /// Tokens written. Default: 0.
    #[serde(default)]
    pub output: Dollars,
}

/// An amount in dollars, kept in millionths: sums of it are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dollars(pub u64);

/// The largest amount, in dollars: beyond it somebody has mistyped.
const DOLLARS_MAX: f64 = 1e9;

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amount)
    }
}

struct Amount;

impl Visitor<'_> for Amount {
    type Value = Dollars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount in dollars, at least 0")
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Dollars, E> {
        #[expect(clippy::cast_precision_loss, reason = "what is not exact is refused")]
        self.visit_f64(dollars as f64)
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Dollars, E> {
        #[expect(clippy::cast_precision_loss, reason = "what is not exact is refused")]
        self.visit_f64(dollars as f64)
    }

    fn visit_f64<E: Error>(self, dollars: f64) -> Result<Dollars, E> {
        if !(0.0..=DOLLARS_MAX).contains(&dollars) {
            return Err(E::custom("must be an amount in dollars from 0 to 1000000000"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to the maximum"
        )]
        Ok(Dollars((dollars * 1e6).round() as u64))
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> Cow<'static, str> {
        "Dollars".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "number", "minimum": 0})
    }
}
