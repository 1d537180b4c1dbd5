//! Texts with `{{path[0].field}}`, filled from a request. Pure.

use serde_json::Value;

/// Longest text of one filled place, in characters.
const PLACE_CHARS_MAX: usize = 16_000;

/// What a template is filled from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// The body.
    pub(super) payload: &'a Value,
    /// The headers by their lower-case names, without those that carry secrets.
    pub(super) headers: &'a Value,
    /// The last part of the path.
    pub(super) path: &'a str,
}

/// Whether a text has places to be filled.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Fills a template. A place that leads nowhere is empty; what is filled in is not read again.
pub(super) fn fill(template: &str, source: &Source<'_>) -> String {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, behind)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((place, after)) = behind.split_once("}}") else {
            filled.push_str("{{");
            rest = behind;
            continue;
        };
        filled.push_str(&at(place.trim(), source));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn at(place: &str, source: &Source<'_>) -> String {
    let found = match place.split_once('.') {
        None if place == "path" => return source.path.to_owned(),
        Some(("payload", rest)) => walk(source.payload, rest),
        Some(("headers", name)) => source.headers.get(name.to_ascii_lowercase()),
        _ if place == "payload" => Some(source.payload),
        _ => walk(source.payload, place),
    };
    let text = match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.char_indices().nth(PLACE_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{} [cut]", text.get(..end).unwrap_or_default()),
    }
}

/// Follows `a.b[0].c`.
fn walk<'a>(from: &'a Value, place: &str) -> Option<&'a Value> {
    if place.is_empty() {
        return None;
    }
    let mut here = from;
    for step in place.split('.') {
        let (key, indices) = step.split_once('[').map_or((step, ""), |(key, rest)| (key, rest));
        if !key.is_empty() {
            here = here.get(key)?;
        }
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            here = here.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
        }
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filled(template: &str, payload: &Value) -> String {
        let headers = json!({"x-github-event": "push"});
        fill(template, &Source { payload, headers: &headers, path: "github" })
    }

    #[test]
    fn places_are_found_and_missing_ones_are_empty() {
        let payload = json!({
            "a": {"b": [[1, {"c": "deep"}], true]},
            "list": ["x"],
            "evil": "{{secret}}",
            "secret": "s",
        });
        for (template, expected) in [
            ("{{a.b[0][1].c}}", "deep"),
            ("[{{ list[0] }}]", "[x]"),
            ("{{list[1]}}{{nothing.here}}{{a.b.c}}{{list[x]}}{{}}", ""),
            ("{{payload.list}} {{headers.X-GitHub-Event}} {{path}}", "[\"x\"] push github"),
            ("{{evil}}", "{{secret}}"),
            ("{{unclosed", "{{unclosed"),
            ("a {{ b", "a {{ b"),
        ] {
            assert_eq!(filled(template, &payload), expected, "{template}");
        }
        let long = filled("{{text}}", &json!({"text": "é".repeat(20_000)}));
        assert!(long.ends_with(" [cut]") && long.chars().count() == PLACE_CHARS_MAX + 6);
    }

    proptest! {
        #[test]
        fn any_template_is_filled(template in "[a{}\\[\\]0.é]{0,30}") {
            filled(&template, &json!({"a": [{"a": 0}]}));
        }

        #[test]
        fn text_without_places_stays(text in "[^{]{0,30}") {
            prop_assert_eq!(filled(&text, &json!({})), text);
        }
    }
}
