//! The JSON of the messages format: requests out, events and documents in.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{
    Completion, Failure, FailureClass, Part, Request, Role, StopReason, ToolSpec, ToolStatus,
    TurnMessage,
};

/// The format's name, as thinking of it is marked.
const FORMAT: &str = "anthropic-messages";

/// The body of a request for a stream. Blank texts are left out: the server refuses them.
pub(super) fn encode(request: &Request) -> String {
    let messages: Vec<Value> = request.messages.iter().filter_map(message).collect();
    let mut body = json!({
        "model": request.model,
        "messages": messages,
        "max_tokens": request.output_tokens_max,
        "stream": true,
    });
    if !request.system.trim().is_empty() {
        body["system"] = json!(request.system);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
        if !request.may_call {
            body["tool_choice"] = json!({"type": "none"});
        } else if request.must_call {
            body["tool_choice"] = json!({"type": "any"});
        }
    }
    body.to_string()
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name, "description": tool.description, "input_schema": tool.parameters,
    })
}

fn message(message: &TurnMessage) -> Option<Value> {
    let content = match message.parts.as_slice() {
        [Part::Text(text)] if text.trim().is_empty() => return None,
        [Part::Text(text)] => json!(text),
        parts => {
            let blocks: Vec<Value> = parts.iter().filter_map(block).collect();
            if blocks.is_empty() {
                return None;
            }
            json!(blocks)
        }
    };
    Some(json!({"role": role(message.role), "content": content}))
}

fn block(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) if text.trim().is_empty() => None,
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Reasoning(reasoning) if reasoning.format == FORMAT => {
            serde_json::from_str(&reasoning.block).ok()
        }
        Part::Reasoning(_) => None,
        Part::Call(call) => Some(json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": input(&call.arguments),
        })),
        Part::Result(result) => Some(json!({
            "type": "tool_result",
            "tool_use_id": result.call,
            "content": result.text,
            "is_error": result.status != ToolStatus::Done,
        })),
        Part::Media(media) => {
            let kind = if media.is_image() { "image" } else { "document" };
            let data = media.base64();
            Some(json!({"type": kind, "source": {
                "type": "base64", "media_type": media.media_type, "data": data,
            }}))
        }
    }
}

/// The format wants an object; what the model wrote may be none.
fn input(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => object,
        _ => json!({}),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Reads one answer. Events, blocks and fields it does not know count as absent.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    answer: Answer,
    input: Input,
    thinking: Thinking,
    ended: bool,
}

/// A block of thinking on its way: text and signature come in pieces.
#[derive(Debug, Default)]
struct Thinking {
    text: String,
    signature: String,
}

/// Tokens read; those from and to the cache are counted apart from the rest.
#[derive(Debug, Default)]
struct Input {
    fresh: u64,
    cache_read: u64,
    cache_written: u64,
}

impl answer::Decoder for Decoder {
    fn event(&mut self, data: &str) -> Result<Progress<'_>, Failure> {
        if data.trim().is_empty() {
            return Ok(Progress::Quiet);
        }
        let json = parse(data)?;
        match json.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message_start" => self.take_usage(json.pointer("/message/usage")),
            "content_block_start" => {
                let block = json.get("content_block").unwrap_or(&Value::Null);
                return Ok(self.take_block(number(&json), block));
            }
            "content_block_delta" => {
                let delta = json.get("delta").unwrap_or(&Value::Null);
                return Ok(self.take_delta(number(&json), delta));
            }
            "content_block_stop" => self.end_thinking(),
            "message_delta" => {
                self.take_usage(json.get("usage"));
                self.take_stop(json.pointer("/delta/stop_reason"));
            }
            "message_stop" => {
                self.ended = true;
                return Ok(Progress::Done);
            }
            "error" => return Ok(Progress::Error),
            _ => {}
        }
        Ok(Progress::Quiet)
    }

    fn document(&mut self, body: &str) -> Result<Progress<'_>, Failure> {
        let json = parse(body)?;
        if json.get("error").is_some_and(|error| !error.is_null()) {
            return Ok(Progress::Error);
        }
        let Some(blocks) = json.get("content").and_then(Value::as_array) else {
            return Err(failure(
                FailureClass::Format,
                "the provider's answer is JSON without content: check base_url",
            ));
        };
        self.take_usage(json.get("usage"));
        self.take_stop(json.get("stop_reason"));
        self.ended = true;
        for (place, block) in (0..).zip(blocks) {
            if field(block, "type") != "text" {
                self.take_block(place, block);
                self.end_thinking();
            }
        }
        let texts = blocks.iter().filter(|block| field(block, "type") == "text");
        let text: String = texts.map(|block| field(block, "text")).collect();
        Ok(self.answer.add(&text))
    }

    fn is_whole(&self) -> bool {
        self.ended
    }

    fn finish(self) -> Result<Completion, Failure> {
        self.answer.finish()
    }
}

impl Decoder {
    /// A block begins; one of a whole answer is complete with it.
    fn take_block(&mut self, number: u64, block: &Value) -> Progress<'_> {
        match field(block, "type") {
            "text" => return self.answer.add(field(block, "text")),
            "tool_use" => {
                let input = block
                    .get("input")
                    .filter(|input| input.as_object().is_some_and(|o| !o.is_empty()));
                let arguments = input.map(Value::to_string).unwrap_or_default();
                let (id, name) = (field(block, "id"), field(block, "name"));
                self.answer.add_call(number, id, name, &arguments);
            }
            "thinking" => {
                field(block, "thinking").clone_into(&mut self.thinking.text);
                field(block, "signature").clone_into(&mut self.thinking.signature);
            }
            "redacted_thinking" => self.answer.add_reasoning(FORMAT, block.to_string()),
            _ => {}
        }
        Progress::Quiet
    }

    fn take_delta(&mut self, number: u64, delta: &Value) -> Progress<'_> {
        match field(delta, "type") {
            "text_delta" => return self.answer.add(field(delta, "text")),
            "input_json_delta" => {
                self.answer.add_call(number, "", "", field(delta, "partial_json"));
            }
            "thinking_delta" => self.thinking.text.push_str(field(delta, "thinking")),
            "signature_delta" => self.thinking.signature.push_str(field(delta, "signature")),
            _ => {}
        }
        Progress::Quiet
    }

    /// The server takes thinking back only with its signature.
    fn end_thinking(&mut self) {
        let Thinking { text, signature } = std::mem::take(&mut self.thinking);
        if !signature.is_empty() {
            let block = json!({"type": "thinking", "thinking": text, "signature": signature});
            self.answer.add_reasoning(FORMAT, block.to_string());
        }
    }

    fn take_stop(&mut self, reason: Option<&Value>) {
        if let Some(reason) = reason.and_then(Value::as_str) {
            self.answer.stop = Some(stop(reason));
        }
    }

    /// Later counts replace earlier ones: they are totals, and a later event may leave some out.
    fn take_usage(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage else { return };
        let renew = |name: &str, count: &mut u64| {
            *count = usage.get(name).and_then(Value::as_u64).unwrap_or(*count);
        };
        renew("input_tokens", &mut self.input.fresh);
        renew("cache_read_input_tokens", &mut self.input.cache_read);
        renew("cache_creation_input_tokens", &mut self.input.cache_written);
        renew("output_tokens", &mut self.answer.usage.output);
        let Input { fresh, cache_read, cache_written } = self.input;
        self.answer.usage.input = fresh.saturating_add(cache_read).saturating_add(cache_written);
    }
}

fn field<'a>(block: &'a Value, name: &str) -> &'a str {
    block.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(event: &Value) -> u64 {
    event.get("index").and_then(Value::as_u64).unwrap_or_default()
}

fn stop(reason: &str) -> StopReason {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "refusal" => StopReason::Refusal,
        "tool_use" => StopReason::Tools,
        _ => StopReason::End,
    }
}

#[cfg(test)]
mod tests;
