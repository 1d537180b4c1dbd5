//! Credentials are shown as a placeholder, and a placeholder that comes back is what stood there.

use serde_json::{Map, Value};

/// What clients of the gateway protocol are shown in place of a credential.
const PLACEHOLDER: &str = "__OPENCLAW_REDACTED__";
/// What the name of a credential holds, in small letters.
const NAMES: [&str; 8] = [
    "apikey",
    "token",
    "password",
    "secret",
    "passphrase",
    "privatekey",
    "authorization",
    "credential",
];
/// Objects whose every text may be a credential.
const PLACES: [&str; 2] = ["env", "headers"];

/// A placeholder that stands for nothing, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withheld(pub(crate) String);

/// The value with every credential withheld.
pub(crate) fn redact(value: &Value) -> Value {
    redacted(value, false)
}

fn redacted(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::String(text) if is_secret && !is_reference(text) => PLACEHOLDER.into(),
        Value::Array(list) => list.iter().map(|value| redacted(value, is_secret)).collect(),
        // Names of places where credentials are kept are none.
        Value::Object(object) if object.contains_key("source") && object.contains_key("id") => {
            value.clone()
        }
        Value::Object(object) => {
            let entry = |(key, value): (&String, &Value)| {
                let own = is_secret_name(key) && !is_plain_object(value, key);
                (key.clone(), redacted(value, is_secret || own))
            };
            Value::Object(object.iter().map(entry).collect())
        }
        _ => value.clone(),
    }
}

/// `secrets: {..}` is a section like any other; `headers: {..}` is not.
fn is_plain_object(value: &Value, key: &str) -> bool {
    value.is_object() && !PLACES.contains(&key)
}

fn is_secret_name(key: &str) -> bool {
    let name = key.to_lowercase();
    PLACES.contains(&key) || name == "key" || NAMES.iter().any(|part| name.contains(part))
}

/// `${NAME}` says where a credential is and not what it is.
fn is_reference(text: &str) -> bool {
    text.is_empty() || (text.starts_with("${") && text.ends_with('}') && text.len() < 130)
}

/// The text of a config with every credential withheld; comments stay where that can be done safely.
pub(crate) fn redact_text(text: &str, value: &Value) -> String {
    let mut secrets = Vec::new();
    collect(value, &redact(value), &mut secrets);
    if secrets.is_empty() {
        return text.to_owned();
    }
    let mut shown = text.to_owned();
    for secret in &secrets {
        for literal in literals(secret) {
            shown = shown.replace(&literal, &format!("\"{PLACEHOLDER}\""));
        }
    }
    let is_safe = !secrets.iter().any(|secret| shown.contains(secret.as_str()))
        && json5::from_str::<Value>(&shown).is_ok_and(|shown| shown == redact(value));
    if is_safe { shown } else { pretty(&redact(value)) }
}

/// A text that came back, with the credentials in their places: the same text where nothing was
/// withheld, else the value written anew.
pub(crate) fn restore_text(text: &str, new: &Value, restored: &Value) -> String {
    if new == restored { text.to_owned() } else { pretty(restored) }
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{text}\n")
}

fn literals(secret: &str) -> [String; 2] {
    [Value::from(secret).to_string(), format!("'{secret}'")]
}

fn collect(value: &Value, shown: &Value, secrets: &mut Vec<String>) {
    match (value, shown) {
        (Value::String(secret), Value::String(shown)) if shown == PLACEHOLDER => {
            secrets.push(secret.clone());
        }
        (Value::Array(list), Value::Array(shown)) => {
            list.iter().zip(shown).for_each(|(value, shown)| collect(value, shown, secrets));
        }
        (Value::Object(object), Value::Object(shown)) => {
            for (key, value) in object {
                if let Some(shown) = shown.get(key) {
                    collect(value, shown, secrets);
                }
            }
        }
        _ => {}
    }
}

/// What came back, with what stood there before in place of every placeholder.
///
/// # Errors
/// A placeholder where nothing was withheld.
pub(crate) fn restore(new: &Value, old: &Value) -> Result<Value, Withheld> {
    restored(new, Some(old), "")
}

fn restored(new: &Value, old: Option<&Value>, path: &str) -> Result<Value, Withheld> {
    match new {
        Value::String(text) if text == PLACEHOLDER => match old {
            Some(Value::String(secret)) if secret != PLACEHOLDER => Ok(secret.clone().into()),
            _ => Err(Withheld(path.to_owned())),
        },
        Value::String(text) if text.contains(PLACEHOLDER) => Err(Withheld(path.to_owned())),
        Value::Array(list) => {
            let item = |(index, new): (usize, &Value)| {
                let before = old.and_then(|old| same_item(new, index, old.as_array()?));
                restored(new, before, &format!("{path}[{index}]"))
            };
            list.iter().enumerate().map(item).collect()
        }
        Value::Object(object) => {
            let entry = |(key, new): (&String, &Value)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let before = old.and_then(|old| old.get(key));
                Ok((key.clone(), restored(new, before, &path)?))
            };
            object.iter().map(entry).collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// What an item of a list was before: the one of its name, else the one that looks the same in its
/// place.
fn same_item<'a>(new: &Value, index: usize, old: &'a [Value]) -> Option<&'a Value> {
    let named = ["id", "name"].iter().find_map(|key| Some((*key, new.get(key)?)));
    match named {
        Some((key, name)) => old.iter().find(|old| old.get(key) == Some(name)),
        None => old.get(index).filter(|old| redact(old) == *new),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "gateway": {"auth": {"token": "tok-1", "mode": "token"}, "port": 1},
            "session": {"mainKey": "main"},
            "models": {"providers": {"a": {"apiKey": "sk-a", "headers": {"X-Who": "me"},
                "models": [{"id": "m", "maxTokens": 5}]}}},
            "secrets": {"providers": {"default": {"path": "/x"}}},
            "env": {"vars": {"PASS": "pass-word-1"}, "shellEnv": {"enabled": true}},
            "mcp": {"servers": {"s": {"env": {"HOME": "/h"}, "command": "c"}}},
            "hooks": {"list": [{"name": "one", "token": "t-1"}, {"name": "two", "token": "t-2"}]},
            "auth": {"apiKey": {"source": "env", "id": "KEY"}, "password": "${PASS}"},
        })
    }

    #[test]
    fn credentials_and_nothing_else_are_withheld() {
        let shown = redact(&sample()).to_string();
        for secret in ["tok-1", "sk-a", "pass-word-1", "\"me\"", "\"/h\"", "t-1", "t-2"] {
            assert!(!shown.contains(secret), "{secret} is shown");
        }
        for kept in ["\"main\"", "\"/x\"", "\"c\"", "KEY", "${PASS}", "\"mode\":\"token\""] {
            assert!(shown.contains(kept), "{kept} is withheld: {shown}");
        }
    }

    #[test]
    fn what_comes_back_is_what_stood_there() {
        let (old, mut new) = (sample(), redact(&sample()));
        assert_eq!(restore(&new, &old), Ok(old.clone()));
        new["hooks"]["list"] = json!([new["hooks"]["list"][1].clone()]);
        assert_eq!(restore(&new, &old).unwrap()["hooks"]["list"][0]["token"], "t-2");
        new["hooks"]["list"][0]["name"] = json!("three");
        assert_eq!(restore(&new, &old), Err(Withheld("hooks.list[0].token".into())));
        let moved = json!({"other": {"token": PLACEHOLDER}});
        assert_eq!(restore(&moved, &old), Err(Withheld("other.token".into())));
    }

    #[test]
    fn comments_stay_where_they_can() {
        let text = "{ // mine\n a: { token: 'tok-1' }, b: 2 }";
        let value = json!({"a": {"token": "tok-1"}, "b": 2});
        let shown = redact_text(text, &value);
        assert!(shown.contains("// mine") && !shown.contains("tok-1"), "{shown}");
        let tricky = "{ // tok-1\n a: { token: 'tok-1' }, b: 2 }";
        assert!(!redact_text(tricky, &value).contains("tok-1"), "not in a comment either");
    }

    proptest! {
        // Whatever a secret looks like, it is in no text that is shown.
        #[test]
        fn no_secret_is_shown(secret in "\\PC{3,20}") {
            prop_assume!(!is_reference(&secret) && !"{\"token\": }\n_OPENCLAW_REDACTED__".contains(&secret));
            let value = json!({"token": secret});
            let text = value.to_string();
            prop_assert!(!redact_text(&text, &value).contains(&secret));
            prop_assert_eq!(restore(&redact(&value), &value), Ok(value));
        }
    }
}
