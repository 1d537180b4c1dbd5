//! Embeddings: what a request asks, and how vectors are written. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use telson_actors::provider::{Embeddings, Failure, FailureClass};

use super::fields::{field, name, text};
use crate::gateway::http::error::HttpError;

/// Most texts of a request.
const TEXTS_MAX: usize = 128;
/// Longest text, in characters.
const TEXT_CHARS_MAX: usize = 8_192;
/// All texts together, in characters.
const CHARS_MAX: usize = 65_536;

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) texts: Vec<String>,
    pub(super) dimensions: Option<u32>,
    /// Whether the vectors are written as base64 of little-endian `f32`.
    pub(super) is_base64: bool,
}

/// Reads a request.
pub(super) fn read(body: &Value) -> Result<Asked, HttpError> {
    let model =
        text(body, "model")?.ok_or_else(|| HttpError::param("model", "model is missing"))?;
    name(body, "user")?;
    let texts = texts(field(body, "input"))?;
    let dimensions = match field(body, "dimensions") {
        None => None,
        Some(value) => {
            let number = value.as_u64().and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0);
            let wrong = || HttpError::param("dimensions", "dimensions must be a number from 1");
            Some(number.ok_or_else(wrong)?)
        }
    };
    let is_base64 = match text(body, "encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let text = "encoding_format must be \"float\" or \"base64\"";
            return Err(HttpError::param("encoding_format", text));
        }
    };
    Ok(Asked { model, texts, dimensions, is_base64 })
}

fn texts(input: Option<&Value>) -> Result<Vec<String>, HttpError> {
    let wrong = |text: String| HttpError::param("input", text);
    let texts: Vec<String> = match input {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            all.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        }
        _ => {
            return Err(wrong(
                "input must be a text or a list of texts; tokens are not read".into(),
            ));
        }
    };
    let chars: Vec<usize> = texts.iter().map(|text| text.chars().count()).collect();
    if !(1..=TEXTS_MAX).contains(&texts.len()) || texts.iter().any(|text| text.trim().is_empty()) {
        return Err(wrong(format!("input must be 1 to {TEXTS_MAX} texts, none of them empty")));
    }
    if chars.iter().any(|it| *it > TEXT_CHARS_MAX) || chars.iter().sum::<usize>() > CHARS_MAX {
        return Err(wrong(format!(
            "a text has at most {TEXT_CHARS_MAX} characters, and all together {CHARS_MAX}"
        )));
    }
    Ok(texts)
}

/// The answer of a request.
pub(super) fn answer(asked: &Asked, embeddings: &Embeddings) -> Value {
    let data = embeddings.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if asked.is_base64 { json!(packed(vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": asked.model,
        "usage": {
            "prompt_tokens": embeddings.input_tokens,
            "total_tokens": embeddings.input_tokens,
        },
    })
}

fn packed(vector: &[f64]) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the format has half the digits")]
    let bytes: Vec<u8> = vector.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// What a client is told of a provider's failure.
pub(super) fn failed(failure: &Failure) -> HttpError {
    let text = format!("no embeddings: {}", failure.message);
    match failure.class {
        FailureClass::RateLimit | FailureClass::Overloaded => {
            let pause = failure.retry_after.unwrap_or(std::time::Duration::from_secs(1));
            HttpError::new(429, "rate_limit_error", text).after(pause)
        }
        FailureClass::Timeout => HttpError::new(504, "timeout", text),
        FailureClass::ContextOverflow => HttpError::param("input", text),
        FailureClass::ModelNotFound => {
            HttpError { status: 404, ..HttpError::param("model", text) }.code("model_not_found")
        }
        FailureClass::Auth
        | FailureClass::AuthPermanent
        | FailureClass::Billing
        | FailureClass::Server
        | FailureClass::Format
        | FailureClass::EmptyResponse
        | FailureClass::Unclassified => HttpError::new(502, "api_error", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_wants_or_what_is_wrong() {
        let asked =
            read(&json!({"model": "openclaw", "input": ["a", "b"], "dimensions": 3})).unwrap();
        assert_eq!((asked.texts.len(), asked.dimensions, asked.is_base64), (2, Some(3), false));
        let long = "x".repeat(TEXT_CHARS_MAX + 1);
        let many = vec!["x"; TEXTS_MAX + 1];
        let much = vec!["x".repeat(TEXT_CHARS_MAX); 9];
        for (more, param) in [
            (json!({}), "input"),
            (json!({"input": ""}), "input"),
            (json!({"input": []}), "input"),
            (json!({"input": [1, 2]}), "input"),
            (json!({"input": ["a", ""]}), "input"),
            (json!({"input": long}), "input"),
            (json!({"input": many}), "input"),
            (json!({"input": much}), "input"),
            (json!({"input": "a", "dimensions": 0}), "dimensions"),
            (json!({"input": "a", "encoding_format": "int8"}), "encoding_format"),
            (json!({"input": "a", "model": null}), "model"),
        ] {
            let mut body = json!({"model": "openclaw"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let refused = read(&body).unwrap_err();
            assert_eq!((refused.status, refused.param.as_deref()), (400, Some(param)), "{param}");
        }
    }

    #[test]
    fn vectors_are_written_as_numbers_or_packed() {
        let asked = |is_base64| Asked {
            model: "m".into(),
            texts: vec!["a".into()],
            dimensions: None,
            is_base64,
        };
        let embeddings = Embeddings { vectors: vec![vec![1.0, -0.5]], input_tokens: 4 };
        let plain = answer(&asked(false), &embeddings);
        assert_eq!(plain["data"][0]["embedding"], json!([1.0, -0.5]));
        assert_eq!(plain["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
        let packed = answer(&asked(true), &embeddings);
        let bytes = STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
        assert_eq!(bytes, [1.0_f32.to_le_bytes(), (-0.5_f32).to_le_bytes()].concat());
    }
}
