//! An id as a platform gives it: a handle, an address or a number.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// The entry that stands for everybody.
const EVERYBODY: &str = "*";

/// What an entry starts with that names an access group instead of a person.
const ACCESS_GROUP: &str = "accessGroup:";

/// An id in a list of senders or a binding; numbers are kept as the text of their digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformId(String);

impl PlatformId {
    /// An id from its text.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `*`, everybody.
    pub fn is_everybody(&self) -> bool {
        self.0 == EVERYBODY
    }

    /// The access group this entry refers to, if it refers to one.
    pub fn access_group(&self) -> Option<&str> {
        self.0.strip_prefix(ACCESS_GROUP)
    }
}

impl fmt::Display for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PlatformId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber)
    }
}

struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = PlatformId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id: a string or a whole number")
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<PlatformId, E> {
        if id.trim().is_empty() {
            return Err(E::invalid_value(Unexpected::Str(id), &"an id that is not empty"));
        }
        Ok(PlatformId::new(id.trim()))
    }

    fn visit_u64<E>(self, id: u64) -> Result<PlatformId, E> {
        Ok(PlatformId(id.to_string()))
    }

    fn visit_i64<E>(self, id: i64) -> Result<PlatformId, E> {
        Ok(PlatformId(id.to_string()))
    }
}

impl JsonSchema for PlatformId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PlatformId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::Node;
    use super::super::typing::read_as;
    use super::*;

    fn id(text: &str) -> Result<PlatformId, String> {
        let node: Node = json5::from_str(text).unwrap();
        read_as(&node)
    }

    #[test]
    fn ids_are_strings_or_whole_numbers() {
        assert_eq!(id("' +15550001 '"), Ok(PlatformId::new("+15550001")));
        assert_eq!(id("42"), Ok(PlatformId::new("42")));
        assert_eq!(id("-100123"), Ok(PlatformId::new("-100123")));
        assert!(id("''").is_err() && id("1.5").is_err() && id("true").is_err());
    }

    #[test]
    fn special_entries_are_recognised() {
        assert!(PlatformId::new("*").is_everybody());
        assert_eq!(PlatformId::new("accessGroup:ops").access_group(), Some("ops"));
        assert_eq!(PlatformId::new("ops").access_group(), None);
    }
}
