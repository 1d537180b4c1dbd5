//! One place of the config's schema, with what can stand below it.

use serde_json::{Map, Value, json};

/// The place `path` names, such as `agents.entries.*.model`; nothing if there is none. A step of a
/// map or list is `*`, or any name.
pub(crate) fn lookup(schema: &Value, path: &str) -> Option<Value> {
    let steps: Vec<String> = path
        .replace("[]", ".*")
        .split(['.', '/'])
        .filter(|step| !step.is_empty())
        .map(|step| step.trim_matches(['[', ']']).to_owned())
        .collect();
    let mut node = resolved(schema, schema);
    for step in &steps {
        node = resolved(schema, below(schema, node, step)?);
    }
    let children: Vec<Value> = properties(schema, node)
        .into_iter()
        .map(|(key, child, is_required)| {
            let whole = resolved(schema, child);
            let place =
                if steps.is_empty() { key.clone() } else { format!("{}.{key}", steps.join(".")) };
            let mut shown = json!({
                "key": key,
                "path": place,
                "required": is_required,
                "hasChildren": !properties(schema, whole).is_empty(),
                "reloadKind": "restart",
            });
            if let Some(kind) = whole.get("type") {
                shown["type"] = kind.clone();
            }
            if let Some(help) = child.get("description").or(whole.get("description")) {
                shown["hint"] = json!({"help": help});
            }
            shown
        })
        .collect();
    let place = if steps.is_empty() { ".".to_owned() } else { steps.join(".") };
    Some(json!({
        "path": place,
        "schema": shallow(node),
        "reloadKind": "restart",
        "children": children,
    }))
}

/// A node behind its references and behind the empty side of a choice.
fn resolved<'a>(schema: &'a Value, mut node: &'a Value) -> &'a Value {
    // Longer chains are circles.
    for _ in 0..16 {
        let target = node.get("$ref").and_then(Value::as_str);
        if let Some(target) = target.and_then(|it| schema.pointer(it.trim_start_matches('#'))) {
            node = target;
            continue;
        }
        let choices = node.get("anyOf").and_then(Value::as_array);
        let real = choices.map(|all| all.iter().filter(|it| it["type"] != "null"));
        match real.map(Iterator::collect::<Vec<_>>).as_deref() {
            Some([only]) => node = only,
            _ => break,
        }
    }
    node
}

fn below<'a>(schema: &'a Value, node: &'a Value, step: &str) -> Option<&'a Value> {
    let named = node.get("properties").and_then(|properties| properties.get(step));
    let any = || node.get("additionalProperties").filter(|it| it.is_object());
    let found = named.or_else(any).or_else(|| node.get("items"));
    let choices = || node.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    found.or_else(|| choices().find_map(|it| below(schema, resolved(schema, it), step)))
}

fn properties<'a>(schema: &'a Value, node: &'a Value) -> Vec<(String, &'a Value, bool)> {
    let required = node.get("required").and_then(Value::as_array);
    let is_required =
        |key: &String| required.is_some_and(|list| list.iter().any(|it| it == key.as_str()));
    let mut found: Vec<_> = node
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, child)| (key.clone(), child, is_required(key)))
        .collect();
    let any = node.get("additionalProperties").filter(|it| it.is_object()).or(node.get("items"));
    found.extend(any.map(|child| ("*".to_owned(), resolved(schema, child), false)));
    found
}

/// The node without what stands below it.
fn shallow(node: &Value) -> Value {
    let Some(object) = node.as_object() else { return node.clone() };
    let own = |key: &String| {
        !["properties", "$defs", "items", "additionalProperties"].contains(&key.as_str())
    };
    Value::Object(
        object
            .iter()
            .filter(|(key, _)| own(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema;

    #[test]
    fn every_place_of_the_config_is_found() {
        let schema = schema();
        let root = lookup(&schema, ".").unwrap();
        let keys: Vec<_> =
            root["children"].as_array().unwrap().iter().map(|it| &it["key"]).collect();
        assert!(keys.iter().any(|key| *key == "agents") && keys.iter().any(|key| *key == "models"));
        let model = lookup(&schema, "agents.entries.main.systemPrompt").unwrap();
        assert!(model["schema"]["description"].as_str().unwrap().contains("nstructions"));
        let models = lookup(&schema, "models.providers.*.models[].id").unwrap();
        assert_eq!(models["schema"]["type"], "string");
        assert!(lookup(&schema, "agents.nope").is_none());
    }
}
