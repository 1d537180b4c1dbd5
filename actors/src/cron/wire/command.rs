//! Commands as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::job::CommandLine;
use super::secret::is_placeholder;
use super::{Read, TEXT_CHARS_MAX, TIMEOUT_SECONDS_MAX, number, text};

/// Most arguments.
const ARGUMENTS_MAX: usize = 1000;
/// What a command may say about itself. A bound that is not kept would be worse than none.
const KEYS: [&str; 5] = ["kind", "argv", "cwd", "env", "timeoutSeconds"];

pub(super) fn read(payload: &Map<String, Value>) -> Read<CommandLine> {
    if let Some(key) = payload.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("payload.{key} is not supported for commands"));
    }
    let argv = argv(payload.get("argv"))?;
    let timeout_seconds = number(payload, "timeoutSeconds", "payload.timeoutSeconds")?;
    if timeout_seconds.is_some_and(|seconds| seconds > TIMEOUT_SECONDS_MAX) {
        return Err(format!("payload.timeoutSeconds is at most {TIMEOUT_SECONDS_MAX}"));
    }
    let cwd = text(payload, "cwd", "payload.cwd")?.filter(|cwd| !cwd.is_empty());
    if cwd.as_ref().is_some_and(|cwd| !cwd.starts_with('/') || cwd.contains('\0')) {
        return Err("payload.cwd must be a whole path, beginning with /".into());
    }
    Ok(CommandLine { argv, cwd, env: env(payload.get("env"))?, timeout_seconds })
}

fn argv(value: Option<&Value>) -> Read<Vec<String>> {
    let wrong = "payload.argv must be a list of texts: the program, then its arguments, without a \
                 shell";
    let parts = value.and_then(Value::as_array).ok_or(wrong)?;
    let parts: Option<Vec<String>> =
        parts.iter().map(|part| part.as_str().map(str::to_owned)).collect();
    let parts = parts.ok_or(wrong)?;
    if parts.first().is_none_or(|program| program.trim().is_empty()) {
        return Err("payload.argv names no program".into());
    }
    let chars: usize = parts.iter().map(|part| part.chars().count()).sum();
    if parts.len() > ARGUMENTS_MAX || chars > TEXT_CHARS_MAX {
        return Err(format!(
            "payload.argv has at most {ARGUMENTS_MAX} parts and {TEXT_CHARS_MAX} characters"
        ));
    }
    if let Some(nth) = parts.iter().position(|part| is_placeholder(part)) {
        return Err(format!("payload.argv[{nth}] is a placeholder for what was never there"));
    }
    if parts.iter().any(|part| part.contains('\0')) {
        return Err("payload.argv can't hold a zero character".into());
    }
    Ok(parts)
}

fn env(value: Option<&Value>) -> Read<BTreeMap<String, String>> {
    let variables = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(value) => value.as_object().ok_or("payload.env must be an object of texts")?,
    };
    let read = |(name, value): (&String, &Value)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let value = value.as_str().filter(|value| !value.contains('\0'));
        match value {
            Some(value) if is_placeholder(value) => {
                Err(format!("payload.env.{name} is a placeholder for what was never there"))
            }
            Some(value) if !name.is_empty() && name.chars().all(plain) => {
                Ok((name.clone(), value.to_owned()))
            }
            _ => Err(format!("payload.env.{name} must be a plain name with a text")),
        }
    };
    variables.iter().map(read).collect()
}

/// A command as [`read`] takes it.
pub(super) fn value(line: &CommandLine) -> Value {
    let mut value = json!({"kind": "command", "argv": line.argv});
    if let Some(cwd) = &line.cwd {
        value["cwd"] = json!(cwd);
    }
    if !line.env.is_empty() {
        value["env"] = json!(line.env);
    }
    if let Some(seconds) = line.timeout_seconds {
        value["timeoutSeconds"] = json!(seconds);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payload: &Value) -> Read<CommandLine> {
        read(payload.as_object().unwrap())
    }

    #[test]
    fn a_command_is_read_as_it_is_written() {
        let payload = json!({
            "kind": "command", "argv": ["/bin/echo", "a b", ""], "cwd": "/tmp",
            "env": {"LANG": "C"}, "timeoutSeconds": 5,
        });
        assert_eq!(value(&of(&payload).unwrap()), payload);
        let least = json!({"kind": "command", "argv": ["true"]});
        assert_eq!(value(&of(&least).unwrap()), least);
    }

    #[test]
    fn what_is_no_command_is_refused_with_its_place() {
        for (payload, part) in [
            (json!({}), "payload.argv must be a list"),
            (json!({"argv": "rm -rf x"}), "payload.argv must be a list"),
            (json!({"argv": [1]}), "payload.argv must be a list"),
            (json!({"argv": []}), "names no program"),
            (json!({"argv": [" "]}), "names no program"),
            (json!({"argv": ["a\u{0}"]}), "zero character"),
            (json!({"argv": vec!["x"; 1001]}), "at most 1000 parts"),
            (json!({"argv": ["a"], "cwd": "tmp"}), "payload.cwd"),
            (json!({"argv": ["a"], "env": {"A=B": "c"}}), "payload.env.A=B"),
            (json!({"argv": ["a"], "env": {"A": 1}}), "payload.env.A"),
            (json!({"argv": ["a"], "timeoutSeconds": 200_000}), "payload.timeoutSeconds"),
            (json!({"argv": ["a"], "shell": true}), "payload.shell is not supported"),
        ] {
            let told = of(&payload).unwrap_err();
            assert!(told.contains(part), "{payload}: {told}");
        }
    }
}
