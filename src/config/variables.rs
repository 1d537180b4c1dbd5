//! `env`: variables the config itself brings along.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::env::{Lookup, is_variable_name};
use super::node::{Kind, Node};

/// Variables for `${NAME}` and secret references. The process environment comes first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// Values by variable name. Default: none.
    pub vars: BTreeMap<String, String>,
}

impl Variables {
    /// The variables of a document that is not typed yet; what does not fit is left out here and
    /// reported when the document is typed.
    pub(super) fn of(root: &Node) -> Self {
        let Kind::Table(root) = &root.kind else {
            return Self::default();
        };
        let Some(Node { kind: Kind::Table(env), .. }) = root.get("env") else {
            return Self::default();
        };
        let inner = match env.get("vars") {
            Some(Node { kind: Kind::Table(vars), .. }) => Some(vars),
            _ => None,
        };
        let beside = env.iter().filter(|(name, _)| is_variable_name(name));
        let vars =
            beside.chain(inner.into_iter().flatten()).filter_map(|(name, node)| match &node.kind {
                Kind::Text(value) => Some((name.clone(), value.clone())),
                _ => None,
            });
        Self { vars: vars.collect() }
    }

    /// Looks a variable up: in the process environment, else here.
    pub(super) fn lookup(&self, env: &Lookup<'_>, name: &str) -> Option<String> {
        env(name).filter(|value| !value.is_empty()).or_else(|| self.vars.get(name).cloned())
    }
}

/// Values may be credentials, so only names are shown.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Variables").field(&self.vars.keys().collect::<Vec<_>>()).finish()
    }
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Section)
    }
}

struct Section;

impl<'de> Visitor<'de> for Section {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variables, A::Error> {
        let mut vars = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "vars" {
                vars.append(&mut map.next_value()?);
            } else if is_variable_name(&key) {
                let value = map.next_value()?;
                vars.entry(key).or_insert(value);
            } else {
                return Err(A::Error::unknown_field(&key, &["vars"]));
            }
        }
        Ok(Variables { vars })
    }
}

impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "vars": { "type": "object", "additionalProperties": { "type": "string" } }
            },
            "patternProperties": { "^[A-Z_][A-Z0-9_]*$": { "type": "string" } },
            "additionalProperties": false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::typing::read_as;
    use super::*;

    #[test]
    fn both_spellings_are_read_the_same_way_typed_and_untyped() {
        let root: Node =
            json5::from_str("{env: {vars: {A: '1', B: '2'}, A: '0', C: '3'}}").unwrap();
        let untyped = Variables::of(&root);
        let Kind::Table(table) = &root.kind else { panic!("not a table") };
        assert_eq!(read_as::<Variables>(&table["env"]), Ok(untyped.clone()));
        let pairs: Vec<_> = untyped.vars.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "2"), ("C", "3")]);
    }

    #[test]
    fn the_process_environment_comes_first_unless_empty() {
        let root: Node = json5::from_str("{env: {vars: {A: '1', B: '2'}}}").unwrap();
        let variables = Variables::of(&root);
        let env = |name: &str| match name {
            "A" => Some("process".to_owned()),
            _ => Some(String::new()),
        };
        assert_eq!(variables.lookup(&env, "A").as_deref(), Some("process"));
        assert_eq!(variables.lookup(&env, "B").as_deref(), Some("2"));
    }

    #[test]
    fn values_are_not_shown() {
        let root: Node = json5::from_str("{env: {vars: {A: 'sk-1'}}}").unwrap();
        assert_eq!(format!("{:?}", Variables::of(&root)), "Variables([\"A\"])");
    }
}
