//! The JSON schema of the config, for editors and for `config schema`.

use schemars::schema_for;
use serde_json::Value;

use super::root::Config;

/// The schema as a JSON document.
pub fn schema() -> Value {
    schema_for!(Config).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether every property of every object in the schema says what it is.
    fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    for (name, property) in properties {
                        if property.get("description").is_none()
                            && name != "vars"
                            && name != "strategy"
                        {
                            found.push(format!("{path}.{name}"));
                        }
                    }
                }
                for (key, value) in object {
                    undescribed(value, &format!("{path}/{key}"), found);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| undescribed(value, path, found)),
            _ => {}
        }
    }

    #[test]
    fn every_setting_is_described() {
        let mut found = Vec::new();
        undescribed(&schema(), "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn unknown_keys_are_refused_and_names_are_those_of_the_file() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
        assert!(schema["properties"]["$schema"].is_object());
        let imessage = &schema["$defs"]["Imessage"]["properties"];
        assert!(imessage["unsettledSends"].is_object() && imessage["groupAllowFrom"].is_object());
    }
}
