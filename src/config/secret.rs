//! A credential: written out, or named and taken from the environment or a file; never shown.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::env::{Lookup, is_variable_name};

/// Longest variable name a reference may use, in bytes.
const VARIABLE_BYTES_MAX: usize = 128;

/// A credential. Its value appears in no log, error or debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(State);

#[derive(Clone, PartialEq, Eq)]
enum State {
    Value(String),
    /// Only known by the name of a variable that has no value, or was not looked up yet.
    Variable(String),
    /// Only known by its place in a file: that of the `secrets` section, and where in it.
    File {
        provider: String,
        id: String,
    },
}

impl Secret {
    /// A credential with a known value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(State::Value(value.into()))
    }

    /// The value; `None` while the variable that should hold it is unset.
    pub fn expose(&self) -> Option<&str> {
        match &self.0 {
            State::Value(value) => Some(value),
            State::Variable(_) | State::File { .. } => None,
        }
    }

    /// The place in a file that should hold the value and has not been read, or can't be.
    pub(super) fn in_file(&self) -> Option<(&str, &str)> {
        match &self.0 {
            State::File { provider, id } => Some((provider, id)),
            State::Value(_) | State::Variable(_) => None,
        }
    }

    /// Takes a value that was read from a file.
    pub(super) fn fill(&mut self, value: String) {
        self.0 = State::Value(value);
    }

    /// The variable that should hold the value and does not.
    pub fn missing_variable(&self) -> Option<&str> {
        match &self.0 {
            State::Value(_) | State::File { .. } => None,
            State::Variable(variable) => Some(variable),
        }
    }

    /// Takes a referenced value from the environment, if it is there.
    pub(super) fn resolve(&mut self, env: &Lookup<'_>) {
        let State::Variable(variable) = &self.0 else {
            return;
        };
        if let Some(value) = env(variable).filter(|value| !value.is_empty()) {
            self.0 = State::Value(value);
        }
    }

    /// Withdraws a value that is only an unfilled `${NAME}`.
    pub(super) fn withdraw(&mut self, variable: &str) {
        self.0 = State::Variable(variable.to_owned());
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Value(_) => f.write_str("Secret(***)"),
            State::Variable(variable) => write!(f, "Secret({variable} is not set)"),
            State::File { provider, id } => write!(f, "Secret({id} of {provider} is not read)"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrReference)
    }
}

struct TextOrReference;

impl<'de> Visitor<'de> for TextOrReference {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a string or {source: \"env\", id: \"NAME\"} or {source: \"file\", id: \"/pointer\"}",
        )
    }

    fn visit_str<E>(self, value: &str) -> Result<Secret, E> {
        Ok(Secret::new(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        let reference = SecretRef::deserialize(MapAccessDeserializer::new(map))?;
        if matches!(reference.source, SecretSource::File) {
            if reference.id != "value" && !reference.id.starts_with('/') {
                let message = "`id` must be a JSON pointer such as /openai/key, or `value`";
                return Err(A::Error::custom(message));
            }
            let provider = reference.provider.unwrap_or_else(|| "default".to_owned());
            return Ok(Secret(State::File { provider, id: reference.id }));
        }
        let usable = is_variable_name(&reference.id) && !reference.id.starts_with('_');
        if !usable || reference.id.len() > VARIABLE_BYTES_MAX {
            let message = "`id` must name an environment variable: capitals, digits and _";
            return Err(A::Error::custom(message));
        }
        Ok(Secret(State::Variable(reference.id)))
    }
}

/// Where a credential is kept instead of in the config.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SecretRef {
    /// The kind of place.
    source: SecretSource,
    /// The name of the place, for files one of `secrets.providers`. Default: `default`.
    #[serde(default)]
    provider: Option<String>,
    /// The name of the environment variable, or a JSON pointer into the file.
    id: String,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum SecretSource {
    /// The process environment, then the config's own `env.vars`.
    Env,
    /// A file of `secrets.providers`.
    File,
}

/// The two ways to write a credential, for the schema only.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its shape is used")]
enum SecretShape {
    Text(String),
    Reference(SecretRef),
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretShape::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::Node;
    use super::super::typing::read_as;
    use super::*;

    fn secret(text: &str) -> Result<Secret, String> {
        let node: Node = json5::from_str(text).unwrap();
        read_as(&node)
    }

    #[test]
    fn a_reference_is_filled_from_the_environment() {
        let mut secret = secret("{source: 'env', id: 'KEY'}").unwrap();
        assert_eq!((secret.expose(), secret.missing_variable()), (None, Some("KEY")));
        secret.resolve(&|_| Some(String::new()));
        assert_eq!(secret.expose(), None);
        secret.resolve(&|name| (name == "KEY").then(|| "sk-1".to_owned()));
        assert_eq!((secret.expose(), secret.missing_variable()), (Some("sk-1"), None));
    }

    #[test]
    fn the_value_is_never_shown() {
        let secret = secret("'sk-very-secret'").unwrap();
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(***) Secret(***)");
    }

    #[test]
    fn other_sources_and_bad_names_are_refused() {
        assert_eq!(
            secret("{source: 'exec', id: 'KEY'}").unwrap_err(),
            "\"exec\" is not one of env, file"
        );
        assert!(secret("{source: 'env', id: 'key'}").unwrap_err().starts_with("`id` must name"));
        assert!(secret("{source: 'env'}").is_err());
        assert!(!secret("12345").unwrap_err().contains("12345"));
    }
}
