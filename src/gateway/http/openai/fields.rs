//! Fields of a request that both endpoints share: checked, and told apart into what is obeyed, what
//! is refused, and what is understood but can't be passed on. Pure.

use serde_json::Value;

use crate::gateway::http::error::HttpError;

/// Most stop sequences.
const STOPS_MAX: usize = 4;
/// Longest name of a user or a session, in characters.
const NAME_CHARS_MAX: usize = 512;

/// Numbers with their range.
const RANGES: [(&str, f64, f64); 6] = [
    ("temperature", 0.0, 2.0),
    ("top_p", 0.0, 1.0),
    ("presence_penalty", -2.0, 2.0),
    ("frequency_penalty", -2.0, 2.0),
    ("top_k", 0.0, 1e9),
    ("min_p", 0.0, 1.0),
];
/// Whole numbers from 1.
const COUNTS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
/// What only tells the model's own server how to work.
const HINTS: [&str; 7] = [
    "logit_bias",
    "parallel_tool_calls",
    "prediction",
    "reasoning",
    "reasoning_effort",
    "seed",
    "verbosity",
];

/// The field, unless it is absent or null.
pub(super) fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// A text that must not be empty.
pub(super) fn text(body: &Value, name: &str) -> Result<Option<String>, HttpError> {
    match field(body, name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(HttpError::param(name, format!("{name} must be a text"))),
    }
}

/// A text that names something.
pub(super) fn name(body: &Value, name: &str) -> Result<Option<String>, HttpError> {
    let text = text(body, name)?;
    match &text {
        Some(long) if long.chars().count() > NAME_CHARS_MAX => Err(HttpError::param(
            name,
            format!("{name} is longer than {NAME_CHARS_MAX} characters"),
        )),
        _ => Ok(text),
    }
}

/// Yes or no; no if it is absent.
pub(super) fn flag(body: &Value, name: &str) -> Result<bool, HttpError> {
    match field(body, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(HttpError::param(name, format!("{name} must be true or false"))),
    }
}

/// Checks what concerns the model's sampling. Answers the names of what is understood and not
/// passed on: an agent's model, its sampling and its length are those of the config.
pub(super) fn sampling(body: &Value) -> Result<Vec<String>, HttpError> {
    let mut not_applied = Vec::new();
    for (name, low, high) in RANGES {
        let Some(value) = field(body, name) else { continue };
        if !value.as_f64().is_some_and(|number| (low..=high).contains(&number)) {
            return Err(HttpError::param(name, format!("{name} must be from {low} to {high}")));
        }
        not_applied.push(name.to_owned());
    }
    for name in COUNTS {
        let Some(value) = field(body, name) else { continue };
        if value.as_u64().is_none_or(|count| count < 1) {
            return Err(HttpError::param(name, format!("{name} must be a whole number from 1")));
        }
        not_applied.push(name.to_owned());
    }
    if let Some(value) = field(body, "stop") {
        let is_right = match value {
            Value::String(_) => true,
            Value::Array(all) => all.len() <= STOPS_MAX && all.iter().all(Value::is_string),
            _ => false,
        };
        if !is_right {
            let text = format!("stop must be a text or at most {STOPS_MAX} texts");
            return Err(HttpError::param("stop", text));
        }
        not_applied.push("stop".into());
    }
    not_applied
        .extend(HINTS.iter().filter(|it| field(body, it).is_some()).map(ToString::to_string));
    Ok(not_applied)
}

/// Refuses what would change the answer and can't be done here.
pub(super) fn refuse_what_cannot_be(body: &Value) -> Result<(), HttpError> {
    if field(body, "n").is_some_and(|n| n.as_u64() != Some(1)) {
        return Err(HttpError::param("n", "n must be 1: an agent gives one answer"));
    }
    if flag(body, "logprobs")? || field(body, "top_logprobs").is_some() {
        return Err(HttpError::param("logprobs", "an agent's answer has no log probabilities"));
    }
    let format = field(body, "response_format")
        .or_else(|| body.get("text").and_then(|text| field(text, "format")));
    if format.is_some_and(|format| format["type"] != "text") {
        let text = "only answers of type text are given; ask for JSON in words";
        return Err(HttpError::param("response_format", text));
    }
    if field(body, "modalities").is_some_and(|all| *all != serde_json::json!(["text"])) {
        return Err(HttpError::param("modalities", "an agent answers in text only"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let bad = [
            ("temperature", json!(2.1)),
            ("temperature", json!("hot")),
            ("top_p", json!(-0.1)),
            ("presence_penalty", json!(3)),
            ("max_tokens", json!(0)),
            ("max_completion_tokens", json!(1.5)),
            ("stop", json!(["a", "b", "c", "d", "e"])),
            ("stop", json!([1])),
            ("stop", json!({})),
        ];
        for (name, value) in bad {
            let refused = sampling(&json!({name: value})).unwrap_err();
            assert_eq!((refused.status, refused.kind), (400, "invalid_request_error"));
            assert_eq!(refused.param.as_deref(), Some(name));
        }
        let all = json!({"temperature": 2, "stop": "x", "max_tokens": 9, "seed": 1, "top_p": null});
        assert_eq!(sampling(&all).unwrap(), ["temperature", "max_tokens", "stop", "seed"]);
    }

    #[test]
    fn what_would_change_the_answer_is_refused() {
        let bad = [
            json!({"n": 2}),
            json!({"logprobs": true}),
            json!({"response_format": {"type": "json_object"}}),
            json!({"text": {"format": {"type": "json_schema"}}}),
            json!({"modalities": ["text", "audio"]}),
        ];
        for body in bad {
            assert_eq!(refuse_what_cannot_be(&body).unwrap_err().status, 400, "{body}");
        }
        let fine = json!({"n": 1, "response_format": {"type": "text"}});
        assert_eq!(refuse_what_cannot_be(&fine), Ok(()));
    }

    proptest! {
        #[test]
        fn a_number_passes_exactly_within_its_range(number in -3.0f64..3.0) {
            let fits = sampling(&json!({"presence_penalty": number})).is_ok();
            prop_assert_eq!(fits, (-2.0..=2.0).contains(&number));
        }
    }
}
