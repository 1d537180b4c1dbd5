//! A merge patch, which can't shorten a list by accident and can't write over included files.

use serde_json::{Map, Value};

/// The key of files that stand in place of their section.
const INCLUDE: &str = "$include";

/// Lays `patch` over `value`: null removes, objects are merged, anything else replaces. A list may
/// become shorter, or go, only where its path is among `replace`; there `*` stands for any step.
///
/// # Errors
/// A sentence that names the path.
pub(crate) fn merge(value: &Value, patch: &Value, replace: &[String]) -> Result<Value, String> {
    if !patch.is_object() {
        return Err("a patch is an object".into());
    }
    merged(Some(value), patch, "", replace)
}

fn merged(
    old: Option<&Value>,
    patch: &Value,
    place: &str,
    replace: &[String],
) -> Result<Value, String> {
    let Value::Object(changes) = patch else {
        return replaced(old, patch, place, replace).map(|()| patch.clone());
    };
    let mut result = match old {
        Some(Value::Object(old)) => old.clone(),
        Some(Value::Array(_)) => {
            replaced(old, patch, place, replace)?;
            Map::new()
        }
        _ => Map::new(),
    };
    if result.contains_key(INCLUDE) && !changes.is_empty() {
        let section = if place.is_empty() { "the config" } else { place };
        return Err(format!("{section} comes from an included file; change that file"));
    }
    for (key, change) in changes {
        let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        let before = result.get(key);
        if change.is_null() {
            replaced(before, change, &place, replace)?;
            result.remove(key);
        } else {
            let value = merged(before, change, &place, replace)?;
            result.insert(key.clone(), value);
        }
    }
    Ok(Value::Object(result))
}

/// Whether what was there may go.
fn replaced(
    old: Option<&Value>,
    new: &Value,
    path: &str,
    replace: &[String],
) -> Result<(), String> {
    let Some(Value::Array(old)) = old else { return Ok(()) };
    let kept = new.as_array().map_or(0, Vec::len);
    if kept >= old.len() || replace.iter().any(|named| is_same(named, path)) {
        return Ok(());
    }
    let length = old.len();
    Err(format!(
        "{path} would become shorter ({length} to {kept}); name it in replacePaths if that is meant"
    ))
}

fn is_same(named: &str, path: &str) -> bool {
    let (named, path): (Vec<&str>, Vec<&str>) =
        (named.split('.').collect(), path.split('.').collect());
    named.len() == path.len()
        && named.iter().zip(path).all(|(named, step)| *named == "*" || *named == step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn null_removes_objects_merge_the_rest_replaces() {
        let old = json!({"a": {"b": 1, "c": 2}, "d": 3});
        let patch = json!({"a": {"b": null, "x": {"y": null, "z": 1}}, "d": {"e": 4}});
        let new = json!({"a": {"c": 2, "x": {"z": 1}}, "d": {"e": 4}});
        assert_eq!(merge(&old, &patch, &[]), Ok(new));
        assert!(merge(&old, &json!([1]), &[]).is_err());
    }

    #[test]
    fn a_list_becomes_shorter_only_where_that_was_said() {
        let old = json!({"agents": {"entries": {"a": {"skills": [1, 2]}}}});
        let shorter = json!({"agents": {"entries": {"a": {"skills": [1]}}}});
        let gone = json!({"agents": {"entries": {"a": {"skills": null}}}});
        let longer = json!({"agents": {"entries": {"a": {"skills": [1, 2, 3]}}}});
        for patch in [&shorter, &gone] {
            assert!(merge(&old, patch, &[]).unwrap_err().contains("agents.entries.a.skills"));
            assert!(merge(&old, patch, &["agents.entries.*.skills".into()]).is_ok());
            assert!(merge(&old, patch, &["agents.entries.*".into()]).is_err());
        }
        assert!(merge(&old, &longer, &[]).is_ok());
    }

    #[test]
    fn an_included_section_is_not_written_over() {
        let old = json!({"agents": {"$include": "agents.json5"}, "b": 1});
        assert!(merge(&old, &json!({"agents": {"x": 1}}), &[]).unwrap_err().contains("agents"));
        assert!(merge(&old, &json!({"b": 2}), &[]).is_ok());
    }

    proptest! {
        // A patch laid over its own result changes nothing more.
        #[test]
        fn a_patch_is_done_when_it_is_done(a in 0u8..5, b in prop::option::of(0u8..5), c in 0u8..3) {
            let old = json!({"a": {"x": a}, "c": c});
            let patch = json!({"a": {"x": b, "y": a}, "c": {"z": c}});
            let once = merge(&old, &patch, &[]).unwrap();
            prop_assert_eq!(merge(&once, &patch, &[]), Ok(once.clone()));
        }
    }
}
