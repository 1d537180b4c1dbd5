//! Responses: what a request asks, and how its answer is written. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use telson_actors::message::SessionKey;
use telson_actors::provider::Usage;

use super::fields::{field, flag, name, refuse_what_cannot_be, sampling, text};
use super::prompt::{SaidIn, Who, content, messages};
use super::sse::{Event, Shape};
use super::target::is_ours;
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
    /// The session of the response it goes on from.
    pub(super) previous: Option<SessionKey>,
    previous_id: Option<String>,
    pub(super) not_applied: Vec<String>,
}

/// Reads a request.
pub(super) fn read(body: &Value) -> Result<Asked, HttpError> {
    let model =
        text(body, "model")?.ok_or_else(|| HttpError::param("model", "model is missing"))?;
    refuse_what_cannot_be(body)?;
    let not_applied = sampling(body)?;
    if flag(body, "background")? {
        let text = "an answer is waited for here, or streamed";
        return Err(HttpError::param("background", text));
    }
    let (mut instructions, said) = match field(body, "input") {
        Some(Value::String(said)) => {
            (Vec::new(), vec![SaidIn { who: Who::User, text: said.clone() }])
        }
        Some(Value::Array(items)) => input(items)?,
        _ => return Err(HttpError::param("input", "input must be a text or a list of items")),
    };
    if let Some(own) = text(body, "instructions")? {
        instructions.insert(0, own);
    }
    let previous_id = text(body, "previous_response_id")?;
    let previous = previous_id.as_deref().map(session_of).transpose()?;
    let (is_streamed, user) = (flag(body, "stream")?, name(body, "user")?);
    Ok(Asked { model, user, instructions, said, is_streamed, previous, previous_id, not_applied })
}

/// Messages, and results of tools.
fn input(items: &[Value]) -> Result<(Vec<String>, Vec<SaidIn>), HttpError> {
    let (mut instructions, mut said) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let place = format!("input[{index}]");
        match item.get("type").and_then(Value::as_str).unwrap_or("message") {
            "message" => {
                let (own, texts) = messages(std::slice::from_ref(item))?;
                instructions.extend(own);
                said.extend(texts);
            }
            "function_call_output" => {
                let text = content(item.get("output"), &format!("{place}.output"))?;
                said.push(SaidIn { who: Who::Tool, text });
            }
            // What a model thought or called before is no part of what is said.
            "function_call" | "reasoning" => {}
            other => {
                let text = format!("{place}: items of type {other:?} are not read here");
                return Err(HttpError::param("input", text).code("unsupported_content"));
            }
        }
    }
    Ok((instructions, said))
}

/// The id of a response: its session and its message, so that a later request can go on from it.
fn response_id(turn: &Turn) -> String {
    format!("resp_{}.{}", URL_SAFE_NO_PAD.encode(turn.session.as_str()), turn.message)
}

fn session_of(id: &str) -> Result<SessionKey, HttpError> {
    let session = id.strip_prefix("resp_").and_then(|rest| rest.split_once('.'));
    let session = session.and_then(|(session, _)| URL_SAFE_NO_PAD.decode(session).ok());
    let session = session.and_then(|bytes| SessionKey::parse(str::from_utf8(&bytes).ok()?).ok());
    session.filter(is_ours).ok_or_else(|| {
        let text = "there is no such response, or its session is not one of this interface";
        HttpError::param("previous_response_id", text)
    })
}

/// An answer on its way.
pub(super) struct Responding {
    id: String,
    item: String,
    created: i64,
    model: String,
    previous: Option<String>,
    events: u64,
}

impl Responding {
    pub(super) fn new(turn: &Turn, asked: &Asked) -> Self {
        Self {
            id: response_id(turn),
            item: format!("msg_{}", turn.message),
            created: turn.created,
            model: asked.model.clone(),
            previous: asked.previous_id.clone(),
            events: 0,
        }
    }

    fn response(&self, status: &str, output: Value, usage: Value) -> Value {
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "metadata": {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": false,
            "previous_response_id": self.previous,
            "temperature": null,
            "tool_choice": "none",
            "tools": [],
            "top_p": null,
            "usage": usage,
        })
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        json!({
            "type": "message",
            "id": self.item,
            "status": status,
            "role": "assistant",
            "content": content,
        })
    }

    fn event(&mut self, name: &str, mut data: Value) -> Event {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.events);
        self.events += 1;
        Event::Named(data)
    }

    /// An event about the one text there is.
    fn about_text(&mut self, name: &str, mut data: Value) -> Event {
        data["item_id"] = json!(self.item);
        data["output_index"] = json!(0);
        data["content_index"] = json!(0);
        self.event(name, data)
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn tokens(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

impl Shape for Responding {
    fn whole(&self, answer: &Answer) -> Value {
        let message = self.message("completed", &json!([text_part(&answer.text)]));
        self.response("completed", json!([message]), tokens(answer.usage))
    }

    fn begin(&mut self) -> Vec<Event> {
        let begun = self.response("in_progress", json!([]), Value::Null);
        let message = self.message("in_progress", &json!([]));
        vec![
            self.event("response.created", json!({"response": begun})),
            self.event("response.in_progress", json!({"response": begun})),
            self.event("response.output_item.added", json!({"output_index": 0, "item": message})),
            self.about_text("response.content_part.added", json!({"part": text_part("")})),
        ]
    }

    fn piece(&mut self, text: &str) -> Vec<Event> {
        let delta = json!({"delta": text, "logprobs": []});
        vec![self.about_text("response.output_text.delta", delta)]
    }

    fn done(&mut self, answer: &Answer) -> Vec<Event> {
        let (whole, part) = (self.whole(answer), text_part(&answer.text));
        let item = whole["output"][0].clone();
        let text = json!({"text": answer.text, "logprobs": []});
        vec![
            self.about_text("response.output_text.done", text),
            self.about_text("response.content_part.done", json!({"part": part})),
            self.event("response.output_item.done", json!({"output_index": 0, "item": item})),
            self.event("response.completed", json!({"response": whole})),
        ]
    }

    fn failed(&mut self, error: &HttpError) -> Vec<Event> {
        let mut response = self.response("failed", json!([]), Value::Null);
        response["error"] = json!({"code": "server_error", "message": error.message});
        vec![self.event("response.failed", json!({"response": response}))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_wants_or_what_is_wrong() {
        let asked = read(&json!({"model": "openclaw", "input": "hi", "instructions": "short"}));
        let asked = asked.unwrap();
        assert_eq!(asked.instructions, ["short"]);
        assert_eq!(asked.said, [SaidIn { who: Who::User, text: "hi".into() }]);
        let items = json!({"model": "openclaw", "input": [
            {"role": "developer", "content": "d"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
        ]});
        let asked = read(&items).unwrap();
        assert_eq!(asked.instructions, ["d"]);
        let said: Vec<(Who, &str)> =
            asked.said.iter().map(|message| (message.who, message.text.as_str())).collect();
        assert_eq!(said, [(Who::User, "a"), (Who::Tool, "r")]);
        let bad = [
            (json!({"model": "x"}), "input"),
            (json!({"model": "x", "input": 1}), "input"),
            (json!({"model": "x", "input": [{"type": "input_image"}]}), "input"),
            (json!({"model": "x", "input": "a", "background": true}), "background"),
            (
                json!({"model": "x", "input": "a", "previous_response_id": "resp_x"}),
                "previous_response_id",
            ),
        ];
        for (body, param) in bad {
            assert_eq!(read(&body).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn only_sessions_of_this_interface_can_be_gone_on_with() {
        let id = |key: &str| format!("resp_{}.m1", URL_SAFE_NO_PAD.encode(key));
        assert!(session_of(&id("agent:main:openai:direct:x")).is_ok());
        for other in ["agent:main:main", "agent:main:telegram:direct:x", "global", "nonsense"] {
            assert!(session_of(&id(other)).is_err(), "{other}");
        }
    }
}
