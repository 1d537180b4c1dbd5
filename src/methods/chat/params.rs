//! Parameters of methods, read strictly: what is not known is refused by name. Pure.

use serde_json::{Map, Value};

use super::ErrorBody;

/// The parameters of one call.
pub(super) struct Params {
    method: &'static str,
    values: Map<String, Value>,
}

impl Params {
    /// Takes parameters of which nothing but `known` may be there.
    pub(super) fn new(
        method: &'static str,
        values: Value,
        known: &[&str],
    ) -> Result<Self, ErrorBody> {
        let values = match values {
            Value::Null => Map::new(),
            Value::Object(values) => values,
            _ => return Err(invalid(method, "at root: must be object")),
        };
        match values.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(invalid(method, &format!("at root: unexpected property '{key}'"))),
            None => Ok(Self { method, values }),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ErrorBody> {
        match self.any_text(key)? {
            Some(text) if text.is_empty() => Err(self.wrong(key, "must not be empty")),
            text => Ok(text),
        }
    }

    /// A text that may be empty.
    pub(super) fn any_text(&self, key: &str) -> Result<Option<String>, ErrorBody> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "must be string")),
        }
    }

    /// A text that must be there and not be empty.
    pub(super) fn needed(&self, key: &str) -> Result<String, ErrorBody> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// A text that must be there.
    pub(super) fn needed_any(&self, key: &str) -> Result<String, ErrorBody> {
        self.any_text(key)?.ok_or_else(|| self.missing(key))
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &self,
        key: &str,
        (min, max): (u64, u64),
    ) -> Result<Option<u64>, ErrorBody> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_u64().filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, &format!("must be integer from {min} to {max}"))),
        }
    }

    /// Yes or no; no if it is not said.
    pub(super) fn flag(&self, key: &str) -> Result<bool, ErrorBody> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(key, "must be boolean")),
        }
    }

    /// A list; empty if it is not there.
    pub(super) fn list(&self, key: &str) -> Result<&[Value], ErrorBody> {
        match self.value(key) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.wrong(key, "must be array")),
        }
    }

    /// Refuses what this gateway can't do, instead of doing something else.
    pub(super) fn refuse(&self, keys: &[&str]) -> Result<(), ErrorBody> {
        match keys.iter().find(|key| self.value(key).is_some()) {
            Some(key) => Err(self.wrong(key, "is not supported by this gateway")),
            None => Ok(()),
        }
    }

    /// Which of these are asked for. What asks for what is so anyway counts for nothing.
    pub(super) fn wishes(&self, keys: &[&'static str]) -> Vec<&'static str> {
        let is_wish = |value: &Value| match value {
            Value::Bool(wish) => *wish,
            Value::String(wish) => !["", "off", "auto"].contains(&wish.as_str()),
            Value::Number(wish) => wish.as_u64() != Some(0),
            _ => true,
        };
        keys.iter().filter(|key| self.value(key).is_some_and(is_wish)).copied().collect()
    }

    /// The error for a bad value.
    pub(super) fn wrong(&self, key: &str, why: &str) -> ErrorBody {
        invalid(self.method, &format!("at /{key}: {why}"))
    }

    fn missing(&self, key: &str) -> ErrorBody {
        invalid(self.method, &format!("at root: must have required property '{key}'"))
    }

    /// Null counts as not said.
    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }
}

fn invalid(method: &str, why: &str) -> ErrorBody {
    ErrorBody::invalid(format!("invalid {method} params: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let read = |value| Params::new("chat.send", value, &["a", "b"]);
        let text = |error: ErrorBody| error.message;
        let unknown = read(json!({"nope": 1})).err().map(text);
        let expected = "invalid chat.send params: at root: unexpected property 'nope'";
        assert_eq!(unknown.as_deref(), Some(expected));
        let params = read(json!({"a": "", "b": 7})).unwrap();
        assert!(params.needed("a").unwrap_err().message.contains("/a: must not be empty"));
        assert!(params.text("b").unwrap_err().message.contains("/b: must be string"));
        assert!(params.number("b", (1, 6)).unwrap_err().message.contains("from 1 to 6"));
        assert_eq!(params.number("b", (1, 7)), Ok(Some(7)));
        let params = read(Value::Null).unwrap();
        assert!(params.needed("a").unwrap_err().message.contains("required property 'a'"));
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_refused(key in "[ab]", value in prop_oneof![
            Just(json!(null)), Just(json!([])), Just(json!({})), any::<i64>().prop_map(|n| json!(n)),
            ".{0,9}".prop_map(|text| json!(text)), any::<bool>().prop_map(|flag| json!(flag)),
        ]) {
            let params = Params::new("x", json!({&key: value}), &["a", "b"]).unwrap();
            for error in [
                params.text(&key).err(), params.flag(&key).err(), params.list(&key).err(),
                params.number(&key, (0, 5)).err(),
            ].into_iter().flatten() {
                prop_assert_eq!(error.code, "INVALID_REQUEST");
            }
        }
    }
}
