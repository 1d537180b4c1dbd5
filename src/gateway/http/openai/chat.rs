//! Chat completions: what a request asks, and how its answer is written. Pure.

use serde_json::{Value, json};
use telson_actors::provider::Usage;

use super::fields::{field, flag, name, refuse_what_cannot_be, sampling, text};
use super::prompt::{SaidIn, messages};
use super::sse::{Event, Shape};
use super::turn::{Answer, Turn};
use crate::gateway::http::error::HttpError;

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) user: Option<String>,
    pub(super) instructions: Vec<String>,
    pub(super) said: Vec<SaidIn>,
    pub(super) is_streamed: bool,
    /// Whether a stream ends with the tokens used.
    pub(super) has_usage: bool,
    /// Parameters that were understood and are not passed on.
    pub(super) not_applied: Vec<String>,
}

/// Reads a request.
pub(super) fn read(body: &Value) -> Result<Asked, HttpError> {
    let model =
        text(body, "model")?.ok_or_else(|| HttpError::param("model", "model is missing"))?;
    refuse_what_cannot_be(body)?;
    let not_applied = sampling(body)?;
    let all = match field(body, "messages") {
        Some(Value::Array(all)) if !all.is_empty() => all,
        _ => return Err(HttpError::param("messages", "messages must be a list of messages")),
    };
    let (instructions, said) = messages(all)?;
    let has_usage = match field(body, "stream_options") {
        None => false,
        Some(options @ Value::Object(_)) => flag(options, "include_usage")?,
        Some(_) => return Err(HttpError::param("stream_options", "stream_options is no object")),
    };
    let (is_streamed, user) = (flag(body, "stream")?, name(body, "user")?);
    Ok(Asked { model, user, instructions, said, is_streamed, has_usage, not_applied })
}

/// An answer on its way.
pub(super) struct Completion {
    id: String,
    created: i64,
    model: String,
    has_usage: bool,
}

impl Completion {
    pub(super) fn new(turn: &Turn, model: String, has_usage: bool) -> Self {
        let id = format!("chatcmpl-{}", turn.message);
        Self { id, created: turn.created, model, has_usage }
    }

    fn chunk(&self, choices: Value) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.has_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn delta(&self, delta: Value, finish: Option<&str>) -> Event {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        Event::Data(self.chunk(json!([choice])))
    }
}

fn tokens(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

impl Shape for Completion {
    fn whole(&self, answer: &Answer) -> Value {
        let message = json!({"role": "assistant", "content": answer.text, "refusal": null});
        let choice =
            json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": tokens(answer.usage),
        })
    }

    fn begin(&mut self) -> Vec<Event> {
        vec![self.delta(json!({"role": "assistant", "content": ""}), None)]
    }

    fn piece(&mut self, text: &str) -> Vec<Event> {
        vec![self.delta(json!({"content": text}), None)]
    }

    fn done(&mut self, answer: &Answer) -> Vec<Event> {
        let mut events = vec![self.delta(json!({}), Some("stop"))];
        if self.has_usage {
            let mut last = self.chunk(json!([]));
            last["usage"] = tokens(answer.usage);
            events.push(Event::Data(last));
        }
        events.push(Event::End);
        events
    }

    fn failed(&mut self, error: &HttpError) -> Vec<Event> {
        vec![Event::Data(json!({"error": error.body()})), Event::End]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_wants_or_what_is_wrong() {
        let asked = read(&json!({
            "model": "openclaw",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 1,
            "user": " anna ",
        }));
        let asked = asked.unwrap();
        assert!(asked.is_streamed && asked.has_usage);
        assert_eq!(asked.user.as_deref(), Some("anna"));
        assert_eq!(asked.not_applied, ["temperature"]);
        let bad = [
            (json!({}), "model"),
            (json!({"model": 1}), "model"),
            (json!({"model": "x"}), "messages"),
            (json!({"model": "x", "messages": []}), "messages"),
            (json!({"model": "x", "messages": {}}), "messages"),
            (
                json!({"model": "x", "messages": [{"role": "user", "content": "a"}], "stream": 1}),
                "stream",
            ),
            (
                json!({"model": "x", "messages": [{"role": "user", "content": "a"}], "user": ""}),
                "user",
            ),
            (
                json!({"model": "x", "messages": [{"role": "user", "content": "a"}], "stream_options": 1}),
                "stream_options",
            ),
        ];
        for (body, param) in bad {
            let refused = read(&body).unwrap_err();
            assert_eq!(refused.param.as_deref(), Some(param), "{body}");
        }
    }
}
