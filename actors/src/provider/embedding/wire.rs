//! The JSON of embeddings, as OpenAI and many others serve them and as Ollama does. Pure.

use serde_json::{Value, json};

use super::{EmbedRequest, Embeddings};
use crate::provider::answer::parse;
use crate::provider::classify::failure;
use crate::provider::{Failure, FailureClass};

/// Longest vector that is believed.
const DIMENSIONS_MAX: usize = 65_536;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider) enum Format {
    /// `/embeddings`.
    OpenAi,
    /// `/api/embed`.
    Ollama,
}

impl Format {
    /// The path below the provider's address.
    pub(super) fn path(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["embeddings"],
            Self::Ollama => &["api", "embed"],
        }
    }

    /// The body of a request.
    pub(super) fn encode(self, request: &EmbedRequest) -> String {
        let mut body = json!({"model": request.model, "input": request.texts});
        if self == Self::OpenAi {
            body["encoding_format"] = json!("float");
        }
        if let Some(dimensions) = request.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        body.to_string()
    }

    /// Reads an answer to `texts` texts. Anything but a vector for each is none.
    pub(super) fn decode(self, document: &str, texts: usize) -> Result<Embeddings, Failure> {
        let json = parse(document)?;
        let (vectors, tokens) = match self {
            Self::OpenAi => (numbered(&json, texts), json.pointer("/usage/prompt_tokens")),
            Self::Ollama => (listed(&json), json.get("prompt_eval_count")),
        };
        let input_tokens = tokens.and_then(Value::as_u64).unwrap_or_default();
        let vectors = vectors.filter(|vectors| vectors.len() == texts).ok_or_else(|| {
            let text = format!("the provider's answer has no vector for each of {texts} texts");
            failure(FailureClass::Format, text)
        })?;
        Ok(Embeddings { vectors, input_tokens })
    }
}

/// Vectors that say which text they belong to.
fn numbered(json: &Value, texts: usize) -> Option<Vec<Vec<f64>>> {
    let data = json.get("data")?.as_array()?;
    let mut vectors = vec![None; texts];
    for (place, entry) in data.iter().enumerate() {
        let stated = entry.get("index").and_then(Value::as_u64);
        let index = stated.map_or(Some(place), |index| usize::try_from(index).ok())?;
        let slot = vectors.get_mut(index).filter(|slot| slot.is_none())?;
        *slot = Some(vector(entry.get("embedding")?)?);
    }
    vectors.into_iter().collect()
}

fn listed(json: &Value) -> Option<Vec<Vec<f64>>> {
    json.get("embeddings")?.as_array()?.iter().map(vector).collect()
}

fn vector(value: &Value) -> Option<Vec<f64>> {
    let numbers = value.as_array()?;
    if numbers.is_empty() || numbers.len() > DIMENSIONS_MAX {
        return None;
    }
    numbers.iter().map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: Format, json: &Value, texts: usize) -> Option<Vec<Vec<f64>>> {
        format.decode(&json.to_string(), texts).ok().map(|answer| answer.vectors)
    }

    #[test]
    fn both_formats_are_read() {
        let openai = json!({
            "data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1, 0.5]}],
            "usage": {"prompt_tokens": 7},
        });
        let answer = Format::OpenAi.decode(&openai.to_string(), 2).unwrap();
        assert_eq!(answer.vectors, [vec![1.0, 0.5], vec![2.0]], "in the order of the texts");
        assert_eq!(answer.input_tokens, 7);
        let ollama = json!({"embeddings": [[1.0], [2.0]], "prompt_eval_count": 3});
        let answer = Format::Ollama.decode(&ollama.to_string(), 2).unwrap();
        assert_eq!((answer.vectors, answer.input_tokens), (vec![vec![1.0], vec![2.0]], 3));
    }

    #[test]
    fn an_answer_without_a_vector_for_each_text_is_none() {
        let vector = |index: u64| json!({"index": index, "embedding": [1.0]});
        for (json, texts) in [
            (json!({}), 1),
            (json!({"data": []}), 1),
            (json!({"data": [vector(0)]}), 2),
            (json!({"data": [vector(0), vector(0)]}), 2),
            (json!({"data": [vector(0), vector(2)]}), 2),
            (json!({"data": [vector(0), vector(1)]}), 1),
            (json!({"data": [{"index": 0, "embedding": []}]}), 1),
            (json!({"data": [{"index": 0, "embedding": ["x"]}]}), 1),
            (json!({"error": {"message": "no"}}), 1),
        ] {
            assert_eq!(read(Format::OpenAi, &json, texts), None, "{json}");
        }
        assert_eq!(read(Format::Ollama, &json!({"embeddings": [[1.0]]}), 2), None);
        assert!(Format::OpenAi.decode("<html>", 1).is_err());
    }

    proptest! {
        #[test]
        fn each_text_gets_its_own_vector(order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle()) {
            let data: Vec<Value> =
                order.iter().map(|index| json!({"index": index, "embedding": [index]})).collect();
            let vectors = read(Format::OpenAi, &json!({"data": data}), 8).unwrap();
            prop_assert!((0u32..).zip(&vectors).all(|(index, it)| *it == [f64::from(index)]));
        }
    }
}
