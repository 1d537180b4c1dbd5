//! Chat completions: what a request asks, and how its answer is written. Pure.

use serde_json::{Value, json};
use telson_actors::provider::Usage;

use super::asked::{Asked, Conversation};
use super::client_tools::Form;
use super::fields::{field, flag};
use super::prompt::messages;
use super::sse::{Event, Shape};
use super::turn::{Answer, Called, Turn};
use crate::gateway::http::error::HttpError;

/// Reads a request; and whether a stream ends with the tokens used.
pub(super) fn read(body: &Value) -> Result<(Asked, bool), HttpError> {
    let asked = Asked::read(body, Form::Nested, conversation)?;
    let has_usage = match field(body, "stream_options") {
        None => false,
        Some(options @ Value::Object(_)) => flag(options, "include_usage")?,
        Some(_) => return Err(HttpError::param("stream_options", "stream_options is no object")),
    };
    Ok((asked, has_usage))
}

fn conversation(body: &Value) -> Result<Conversation, HttpError> {
    match field(body, "messages") {
        Some(Value::Array(all)) if !all.is_empty() => messages(all),
        _ => Err(HttpError::param("messages", "messages must be a list of messages")),
    }
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

/// A call for the client to make.
fn call(call: &Called) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

fn finish(answer: &Answer) -> &'static str {
    if answer.calls.is_empty() { "stop" } else { "tool_calls" }
}

impl Shape for Completion {
    fn whole(&self, answer: &Answer) -> Value {
        let mut message = json!({"role": "assistant", "content": answer.text, "refusal": null});
        if !answer.calls.is_empty() {
            let text = Some(&answer.text).filter(|text| !text.is_empty());
            message["content"] = json!(text);
            message["tool_calls"] = answer.calls.iter().map(call).collect();
        }
        let finish = finish(answer);
        let choice =
            json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish});
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
        let mut events = Vec::new();
        for (index, called) in answer.calls.iter().enumerate() {
            let mut begun = call(called);
            (begun["index"], begun["function"]["arguments"]) = (json!(index), json!(""));
            events.push(self.delta(json!({"tool_calls": [begun]}), None));
            let arguments = json!({"index": index, "function": {"arguments": called.arguments}});
            events.push(self.delta(json!({"tool_calls": [arguments]}), None));
        }
        events.push(self.delta(json!({}), Some(finish(answer))));
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
        let (asked, has_usage) = asked.unwrap();
        assert!(asked.is_streamed && has_usage);
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
