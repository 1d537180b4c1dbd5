//! Responses: what a request asks, and how its answer is written. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use telson_actors::client_tool::ClientTool;
use telson_actors::message::SessionKey;
use telson_actors::provider::Usage;

use super::asked::{Asked, Conversation};
use super::client_tools::{Form, Offer};
use super::fields::{field, flag, text};
use super::prompt::{Reading, SaidIn, content};
use super::sse::{Event, Shape};
use super::target::is_ours;
use super::turn::{Answer, Called, Turn};
use crate::gateway::http::error::HttpError;

/// The response a request goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Previous {
    id: String,
    /// Its session.
    pub(super) session: SessionKey,
}

/// Reads a request, and what it goes on from.
pub(super) fn read(body: &Value) -> Result<(Asked, Option<Previous>), HttpError> {
    let asked = Asked::read(body, Form::Flat, conversation)?;
    if flag(body, "background")? {
        let text = "an answer is waited for here, or streamed";
        return Err(HttpError::param("background", text));
    }
    let previous = text(body, "previous_response_id")?;
    let previous = previous.map(|id| session_of(&id).map(|session| Previous { id, session }));
    Ok((asked, previous.transpose()?))
}

fn conversation(body: &Value) -> Result<Conversation, HttpError> {
    let (mut instructions, said) = match field(body, "input") {
        Some(Value::String(said)) => (Vec::new(), vec![SaidIn::user(said)]),
        Some(Value::Array(items)) => input(items)?,
        _ => return Err(HttpError::param("input", "input must be a text or a list of items")),
    };
    if let Some(own) = text(body, "instructions")? {
        instructions.insert(0, own);
    }
    Ok((instructions, said))
}

/// Messages, calls, and what they have come to at the client.
fn input(items: &[Value]) -> Result<Conversation, HttpError> {
    let mut reading = Reading::default();
    for (index, item) in items.iter().enumerate() {
        let place = format!("input[{index}]");
        match item.get("type").and_then(Value::as_str).unwrap_or("message") {
            "message" => reading.message(item, &place)?,
            "function_call_output" => {
                let place = format!("{place}.output");
                let (text, images) = content(item.get("output"), &place)?;
                if !images.is_empty() {
                    let text = format!("{place}: only a user's message brings pictures");
                    return Err(HttpError::param(&place, text).code("unsupported_content"));
                }
                reading.result(item.get("call_id"), &text);
            }
            "function_call" => reading.call(item.get("call_id"), item),
            // What a model thought before is no part of what is said.
            "reasoning" => {}
            other => {
                let text = format!("{place}: items of type {other:?} are not read here");
                return Err(HttpError::param("input", text).code("unsupported_content"));
            }
        }
    }
    Ok(reading.end())
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
    /// The client's tools, as it described them.
    tools: Vec<Value>,
    tool_choice: &'static str,
    events: u64,
    /// Whether the message has begun: an answer may be calls and nothing else.
    has_begun: bool,
}

impl Responding {
    pub(super) fn new(turn: &Turn, asked: &Asked, previous: Option<Previous>) -> Self {
        Self {
            id: response_id(turn),
            item: format!("msg_{}", turn.message),
            created: turn.created,
            model: asked.model.clone(),
            previous: previous.map(|previous| previous.id),
            tools: asked.offer.tools.iter().map(tool).collect(),
            tool_choice: choice(&asked.offer),
            events: 0,
            has_begun: false,
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
            "tool_choice": self.tool_choice,
            "tools": self.tools,
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

/// A tool of the client.
fn tool(tool: &ClientTool) -> Value {
    let parameters: Value = serde_json::from_str(&tool.parameters).unwrap_or_default();
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": parameters,
        "strict": false,
    })
}

fn choice(offer: &Offer) -> &'static str {
    match offer {
        Offer { tools, .. } if tools.is_empty() => "none",
        Offer { must_call: true, .. } => "required",
        Offer { .. } => "auto",
    }
}

/// A call for the client to make.
fn call(turn: &str, index: usize, call: &Called, status: &str) -> Value {
    json!({
        "type": "function_call",
        "id": format!("fc_{turn}_{index}"),
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": status,
    })
}

impl Responding {
    /// The items of an answer: a message unless it says nothing, then the calls.
    fn output(&self, answer: &Answer) -> Vec<Value> {
        let has_message = self.has_begun || !answer.text.is_empty() || answer.calls.is_empty();
        let message = || self.message("completed", &json!([text_part(&answer.text)]));
        let calls = answer.calls.iter().enumerate();
        let calls = calls.map(|(index, called)| call(&self.item, index, called, "completed"));
        has_message.then(message).into_iter().chain(calls).collect()
    }

    /// The events that begin the message, once.
    fn open(&mut self) -> Vec<Event> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Vec::new();
        }
        let message = self.message("in_progress", &json!([]));
        vec![
            self.event("response.output_item.added", json!({"output_index": 0, "item": message})),
            self.about_text("response.content_part.added", json!({"part": text_part("")})),
        ]
    }

    fn called(&mut self, at: usize, item: &Value) -> [Event; 4] {
        let mut begun = item.clone();
        (begun["status"], begun["arguments"]) = (json!("in_progress"), json!(""));
        let about = |more: Value| {
            let mut data = json!({"item_id": item["id"], "output_index": at});
            if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
                data.extend(more);
            }
            data
        };
        let delta = about(json!({"delta": item["arguments"]}));
        let done = about(json!({"name": item["name"], "arguments": item["arguments"]}));
        [
            self.event("response.output_item.added", json!({"output_index": at, "item": begun})),
            self.event("response.function_call_arguments.delta", delta),
            self.event("response.function_call_arguments.done", done),
            self.event("response.output_item.done", json!({"output_index": at, "item": item})),
        ]
    }
}

impl Shape for Responding {
    fn whole(&self, answer: &Answer) -> Value {
        self.response("completed", json!(self.output(answer)), tokens(answer.usage))
    }

    fn begin(&mut self) -> Vec<Event> {
        let begun = self.response("in_progress", json!([]), Value::Null);
        vec![
            self.event("response.created", json!({"response": begun})),
            self.event("response.in_progress", json!({"response": begun})),
        ]
    }

    fn piece(&mut self, text: &str) -> Vec<Event> {
        let mut events = self.open();
        let delta = json!({"delta": text, "logprobs": []});
        events.push(self.about_text("response.output_text.delta", delta));
        events
    }

    fn done(&mut self, answer: &Answer) -> Vec<Event> {
        let (items, whole) = (self.output(answer), self.whole(answer));
        let mut events = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if item["type"] == "function_call" {
                events.extend(self.called(at, item));
                continue;
            }
            events.extend(self.open());
            let text = json!({"text": answer.text, "logprobs": []});
            events.push(self.about_text("response.output_text.done", text));
            let part = json!({"part": text_part(&answer.text)});
            events.push(self.about_text("response.content_part.done", part));
            let item = json!({"output_index": at, "item": item});
            events.push(self.event("response.output_item.done", item));
        }
        events.push(self.event("response.completed", json!({"response": whole})));
        events
    }

    fn failed(&mut self, error: &HttpError) -> Vec<Event> {
        let mut response = self.response("failed", json!([]), Value::Null);
        response["error"] = json!({"code": "server_error", "message": error.message});
        vec![self.event("response.failed", json!({"response": response}))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::prompt::Who;
    use super::*;

    #[test]
    fn a_request_says_what_it_wants_or_what_is_wrong() {
        let asked = read(&json!({"model": "openclaw", "input": "hi", "instructions": "short"}));
        let (asked, previous) = asked.unwrap();
        assert_eq!((asked.instructions, previous), (vec!["short".to_owned()], None));
        assert_eq!(asked.said, [SaidIn::user("hi")]);
        let items = json!({"model": "openclaw", "input": [
            {"role": "developer", "content": "d"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
        ]});
        let (asked, _) = read(&items).unwrap();
        assert_eq!(asked.instructions, ["d"]);
        let said: Vec<(Who, &str)> =
            asked.said.iter().map(|message| (message.who, message.text.as_str())).collect();
        let called = (Who::Assistant, "[called f as c with {}]");
        assert_eq!(said, [(Who::User, "a"), called, (Who::Tool, "f (c): r")]);
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
