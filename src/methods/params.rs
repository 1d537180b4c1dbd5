//! Parameters, read strictly: a property nobody knows or a value of the wrong kind is refused, and
//! the refusal names it. A call that did half of what was asked would be worse than none.

use std::fmt;
use std::num::NonZeroU64;

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::frame::ErrorBody;

/// The parameters of a method that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A text that says something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct Text(String);

/// Longest idempotency key, in bytes: it is part of a key of the store.
pub(super) const KEY_BYTES_MAX: usize = 512;

/// Whether a text may be an idempotency key.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= KEY_BYTES_MAX && !text.chars().any(char::is_control)
}

/// A number from 1.
pub(super) type Count = NonZeroU64;

/// Reads the parameters of `method`; none at all count as an empty object.
pub(super) fn read<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, ErrorBody> {
    let params = match params {
        Value::Null => Value::Object(Map::new()),
        Value::Object(_) => params,
        // A list of values without names says nothing about what they are.
        _ => return Err(ErrorBody::invalid(format!("invalid {method} params: must be object"))),
    };
    serde_path_to_error::deserialize(params).map_err(|error| {
        let place = error.path().to_string();
        let why = in_words(&error.into_inner().to_string(), &place);
        ErrorBody::invalid(format!("invalid {method} params: {why}"))
    })
}

/// Serde's sentence as clients know it.
fn in_words(why: &str, place: &str) -> String {
    let quoted = |rest: &str| rest.split('`').nth(1).unwrap_or_default().to_owned();
    if why.starts_with("unknown field") {
        let name = quoted(why);
        let place = place.strip_suffix(&name).unwrap_or(place).trim_end_matches('.');
        return format!("at {}: unexpected property '{name}'", or_root(place));
    }
    if why.starts_with("missing field") {
        let name = quoted(why);
        return format!("at {}: must have required property '{name}'", or_root(place));
    }
    format!("at {}: {why}", or_root(place))
}

fn or_root(place: &str) -> &str {
    if place.is_empty() || place == "." { "root" } else { place }
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Err(D::Error::custom("must not be empty")) } else { Ok(Self(text)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct Sample {
        key: Text,
        limit: Option<Count>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        flag: Option<bool>,
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        for (params, part) in [
            (json!({"key": "a", "bogus": true}), "at root: unexpected property 'bogus'"),
            (json!({"key": "a", "inner": {"x": 1}}), "at inner: unexpected property 'x'"),
            (json!({}), "must have required property 'key'"),
            (json!({"key": ""}), "at key: must not be empty"),
            (json!({"key": "a", "limit": 0}), "at limit: "),
            (json!({"key": "a", "inner": {"flag": 1}}), "at inner.flag: "),
            (json!([1]), "invalid some.method params: must be object"),
            (json!(["a"]), "must be object"),
            (json!([]), "must be object"),
        ] {
            let error = read::<Sample>("some.method", params).unwrap_err();
            assert_eq!(error.code, "INVALID_REQUEST");
            assert!(error.message.contains(part), "{} lacks {part}", error.message);
        }
    }

    #[test]
    fn no_parameters_are_an_empty_object() {
        assert!(read::<Nothing>("health", Value::Null).is_ok());
        assert!(read::<Nothing>("health", json!([])).is_err());
        assert!(read::<Sample>("m", json!({"key": "a", "limit": 3, "inner": null})).is_ok());
    }
}
