//! Checks a model's arguments against a tool's JSON schema before the tool sees them.
//!
//! The keywords that tools use are checked: `type`, `properties`, `required`,
//! `additionalProperties`, `items`, `enum`, `const`, `minimum`, `maximum`, `minLength`, `maxLength`,
//! `minItems`, `maxItems`, `anyOf`, `oneOf`, `allOf`. Others say nothing here; the tool itself is
//! the last judge.

use serde_json::{Map, Value};

/// Nesting of a schema that is followed: beyond it anything goes.
const DEPTH_MAX: usize = 32;

/// Reads arguments as the model wrote them.
///
/// # Errors
/// A sentence for the model: what is wrong, where, and what is wanted.
pub fn arguments(schema: &Value, written: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(written)
        .map_err(|error| format!("the arguments are not valid JSON: {error}"))?;
    if !value.is_object() {
        return Err("the arguments must be one JSON object".into());
    }
    check(schema, &value, "arguments", 0)?;
    Ok(value)
}

fn check(schema: &Value, value: &Value, path: &str, depth: usize) -> Result<(), String> {
    let Some(schema) = schema.as_object().filter(|_| depth < DEPTH_MAX) else {
        return if *schema == Value::Bool(false) {
            Err(format!("{path} is not allowed"))
        } else {
            Ok(())
        };
    };
    check_type(schema, value, path)?;
    check_choice(schema, value, path)?;
    check_size(schema, value, path)?;
    match value {
        Value::Object(object) => check_object(schema, object, path, depth)?,
        Value::Array(items) => {
            if let Some(wanted) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(wanted, item, &format!("{path}[{index}]"), depth + 1)?;
                }
            }
        }
        _ => {}
    }
    check_combinations(schema, value, path, depth)
}

fn check_type(schema: &Map<String, Value>, value: &Value, path: &str) -> Result<(), String> {
    let wanted: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let fits = wanted.iter().any(|wanted| match *wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        // 3.0 is an integer to JSON schema.
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => true,
    });
    if fits || wanted.is_empty() {
        return Ok(());
    }
    Err(format!("{path} must be of type {}", wanted.join(" or ")))
}

fn check_choice(schema: &Map<String, Value>, value: &Value, path: &str) -> Result<(), String> {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        return Err(format!("{path} must be one of {}", choices.join(", ")));
    }
    match schema.get("const") {
        Some(only) if only != value => Err(format!("{path} must be {only}")),
        _ => Ok(()),
    }
}

fn check_size(schema: &Map<String, Value>, value: &Value, path: &str) -> Result<(), String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (low, high, size, unit) = match value {
        Value::Number(number) => ("minimum", "maximum", number.as_f64(), ""),
        Value::String(text) => {
            ("minLength", "maxLength", Some(count(text.chars().count())), " characters")
        }
        Value::Array(items) => ("minItems", "maxItems", Some(count(items.len())), " items"),
        _ => return Ok(()),
    };
    let Some(size) = size else { return Ok(()) };
    match (limit(low), limit(high)) {
        (Some(low), _) if size < low => Err(format!("{path} must be at least {low}{unit}")),
        (_, Some(high)) if size > high => Err(format!("{path} must be at most {high}{unit}")),
        _ => Ok(()),
    }
}

fn check_object(
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
    path: &str,
    depth: usize,
) -> Result<(), String> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    if let Some(missing) =
        required.filter_map(Value::as_str).find(|name| !object.contains_key(*name))
    {
        return Err(format!("{path}.{missing} is missing"));
    }
    let known = schema.get("properties").and_then(Value::as_object);
    for (name, value) in object {
        let path = format!("{path}.{name}");
        let wanted = known.and_then(|known| known.get(name));
        match wanted.or(schema.get("additionalProperties")) {
            Some(Value::Bool(false)) => return Err(format!("{path} is not a known argument")),
            Some(wanted) => check(wanted, value, &path, depth + 1)?,
            None => {}
        }
    }
    Ok(())
}

fn check_combinations(
    schema: &Map<String, Value>,
    value: &Value,
    path: &str,
    depth: usize,
) -> Result<(), String> {
    let schemas = |name: &str| schema.get(name).and_then(Value::as_array);
    for wanted in schemas("allOf").into_iter().flatten() {
        check(wanted, value, path, depth + 1)?;
    }
    for name in ["anyOf", "oneOf"] {
        let Some(choices) = schemas(name) else { continue };
        let fitting = choices.iter().filter(|wanted| check(wanted, value, path, depth + 1).is_ok());
        let fitting = fitting.count();
        if fitting == 0 || (name == "oneOf" && fitting > 1) {
            return Err(format!(
                "{path} must fit {name} of {} schemas, and fits {fitting}",
                choices.len()
            ));
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes of arguments are small")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["path"],
            "additionalProperties": false,
            "properties": {
                "path": {"type": "string", "minLength": 1},
                "lines": {"type": "integer", "minimum": 1, "maximum": 500},
                "mode": {"enum": ["text", "raw"]},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
                "at": {"anyOf": [{"type": "null"}, {"type": "number"}]},
            },
        })
    }

    #[test]
    fn what_fits_goes_through() {
        for written in
            [r#"{"path":"a"}"#, r#"{"path":"a","lines":3.0,"mode":"raw","tags":["x"],"at":null}"#]
        {
            assert!(arguments(&schema(), written).is_ok(), "{written}");
        }
    }

    #[test]
    fn what_does_not_is_named_with_its_place() {
        let wrong = [
            ("{", "not valid JSON"),
            ("[]", "one JSON object"),
            ("{}", "arguments.path is missing"),
            (r#"{"path":""}"#, "arguments.path must be at least 1 characters"),
            (r#"{"path":7}"#, "arguments.path must be of type string"),
            (r#"{"path":"a","lines":0}"#, "arguments.lines must be at least 1"),
            (r#"{"path":"a","lines":1.5}"#, "arguments.lines must be of type integer"),
            (r#"{"path":"a","mode":"x"}"#, "arguments.mode must be one of"),
            (r#"{"path":"a","tags":["x",1]}"#, "arguments.tags[1] must be of type string"),
            (r#"{"path":"a","tags":["x","y","z"]}"#, "arguments.tags must be at most 2 items"),
            (r#"{"path":"a","at":"now"}"#, "arguments.at must fit anyOf"),
            (r#"{"path":"a","other":1}"#, "arguments.other is not a known argument"),
        ];
        for (written, said) in wrong {
            let error = arguments(&schema(), written).unwrap_err();
            assert!(error.contains(said), "{written}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_schema_panics(written in ".{0,80}", kind in ".{0,12}", depth in 0usize..80) {
            let mut nested = json!({"type": kind});
            for _ in 0..depth {
                nested = json!({"properties": {"a": nested}, "items": [1], "required": {"x": 1}});
            }
            drop(arguments(&nested, &written));
            let refused = arguments(&Value::Bool(false), "{}").is_err();
            prop_assert!(refused);
        }
    }
}
