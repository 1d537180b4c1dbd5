//! The JSON of chat completions: requests out, events and documents in.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{
    Completion, Failure, FailureClass, Part, Request, Role, StopReason, ToolSpec, TurnMessage,
    Usage,
};

/// What a server calls the upper bound of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputLimit {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// The data of the last event of a stream.
const END_MARK: &str = "[DONE]";

/// The format's name, as thinking of it is marked.
const FORMAT: &str = "openai-completions";

/// The body of a request for a stream. Blank messages are left out: some servers refuse them.
pub(super) fn encode(request: &Request, limit: OutputLimit) -> String {
    let mut messages = Vec::new();
    if !request.system.trim().is_empty() {
        messages.push(json!({"role": "system", "content": request.system}));
    }
    for message in &request.messages {
        match message.role {
            Role::User => add_user(message, &mut messages),
            Role::Assistant => messages.extend(assistant(message)),
        }
    }
    let limit = match limit {
        OutputLimit::MaxTokens => "max_tokens",
        OutputLimit::MaxCompletionTokens => "max_completion_tokens",
    };
    let mut body = json!({
        "model": request.model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
        limit: request.output_tokens_max,
    });
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
        if !request.may_call {
            body["tool_choice"] = json!("none");
        } else if request.must_call {
            body["tool_choice"] = json!("required");
        }
    }
    body.to_string()
}

fn tool(tool: &ToolSpec) -> Value {
    json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    }})
}

/// Each tool result is a message of its own, before what the person says.
fn add_user(message: &TurnMessage, messages: &mut Vec<Value>) {
    for part in &message.parts {
        if let Part::Result(result) = part {
            messages.push(json!({
                "role": "tool", "tool_call_id": result.call, "content": result.text,
            }));
        }
    }
    let text = message.plain();
    let files: Vec<Value> = message.parts.iter().filter_map(file).collect();
    if !files.is_empty() {
        let text = (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}));
        let content: Vec<Value> = text.into_iter().chain(files).collect();
        messages.push(json!({"role": "user", "content": content}));
    } else if !text.trim().is_empty() {
        messages.push(json!({"role": "user", "content": text}));
    }
}

fn file(part: &Part) -> Option<Value> {
    match part {
        Part::Media(media) if media.is_image() => {
            Some(json!({"type": "image_url", "image_url": {"url": media.data_url()}}))
        }
        Part::Media(media) => Some(json!({"type": "file", "file": {
            "filename": media.file_name(), "file_data": media.data_url(),
        }})),
        _ => None,
    }
}

fn assistant(message: &TurnMessage) -> Option<Value> {
    let text = message.plain();
    let (mut calls, mut thinking) = (Vec::new(), String::new());
    for part in &message.parts {
        match part {
            Part::Call(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })),
            Part::Reasoning(reasoning) if reasoning.format == FORMAT => {
                thinking.push_str(&reasoning.block);
            }
            Part::Text(_) | Part::Reasoning(_) | Part::Result(_) | Part::Media(_) => {}
        }
    }
    if calls.is_empty() {
        return (!text.trim().is_empty()).then(|| json!({"role": "assistant", "content": text}));
    }
    let content = if text.trim().is_empty() { Value::Null } else { json!(text) };
    let mut message = json!({"role": "assistant", "content": content, "tool_calls": calls});
    if !thinking.is_empty() {
        // Servers that think want to see it again with the calls it led to.
        message["reasoning_content"] = json!(thinking);
    }
    Some(message)
}

/// Reads one answer. Fields that are missing or of another shape count as absent: each server
/// that speaks this format bends it in its own way.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    answer: Answer,
    thinking: String,
}

impl answer::Decoder for Decoder {
    fn event(&mut self, data: &str) -> Result<Progress<'_>, Failure> {
        match data.trim() {
            "" => Ok(Progress::Quiet),
            END_MARK => Ok(Progress::Done),
            data => Ok(self.take(&parse(data)?, "delta")),
        }
    }

    fn document(&mut self, body: &str) -> Result<Progress<'_>, Failure> {
        let json = parse(body)?;
        if !is_error(&json) && json.pointer("/choices/0/message").is_none() {
            return Err(failure(
                FailureClass::Format,
                "the provider's answer is JSON without choices: check base_url",
            ));
        }
        Ok(self.take(&json, "message"))
    }

    fn is_whole(&self) -> bool {
        self.answer.stop.is_some()
    }

    fn finish(mut self) -> Result<Completion, Failure> {
        if !self.thinking.is_empty() {
            self.answer.add_reasoning(FORMAT, self.thinking);
        }
        self.answer.finish()
    }
}

impl Decoder {
    /// Takes one chunk, or the whole answer: they differ in the name of the field with the text.
    fn take(&mut self, json: &Value, field: &str) -> Progress<'_> {
        if is_error(json) {
            return Progress::Error;
        }
        if let Some(usage) = json.get("usage").and_then(usage) {
            self.answer.usage = usage;
        }
        let Some(choice) = first_choice(json) else {
            return Progress::Quiet;
        };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.answer.stop = Some(stop(reason));
        }
        let said = |name| choice.get(field).and_then(|delta| delta.get(name));
        for (place, call) in
            (0..).zip(said("tool_calls").and_then(Value::as_array).into_iter().flatten())
        {
            self.take_call(place, call);
        }
        if let Some(thinking) = said("reasoning_content").and_then(Value::as_str) {
            self.thinking.push_str(thinking);
        }
        let text = said("content").map(text).filter(|text| !text.is_empty());
        let text = text.or_else(|| said("refusal").map(self::text)).unwrap_or_default();
        self.answer.add(&text)
    }

    /// A call, or a piece of one. Whole answers, and some servers' pieces, carry no index.
    fn take_call(&mut self, place: u64, call: &Value) {
        let word =
            |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let number = call.get("index").and_then(Value::as_u64).unwrap_or(place);
        // Arguments are a text; some servers send the object itself.
        let arguments = match call.pointer("/function/arguments") {
            Some(object @ Value::Object(_)) => object.to_string(),
            other => other.and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        self.answer.add_call(number, word("/id"), word("/function/name"), &arguments);
    }
}

/// `{"error": {..}}`, or the bare form with `object`.
fn is_error(json: &Value) -> bool {
    json.get("error").is_some_and(|error| !error.is_null())
        || json.get("object").and_then(Value::as_str) == Some("error")
}

/// We ask for one choice; a server that sends more does not get them mixed.
fn first_choice(json: &Value) -> Option<&Value> {
    let choices = json.get("choices")?.as_array()?;
    choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0)
}

/// A text, or a list of parts of which those of type `text` count.
fn text(content: &Value) -> String {
    let Some(parts) = content.as_array() else {
        return content.as_str().unwrap_or_default().to_owned();
    };
    parts
        .iter()
        .filter(|part| part.get("type").and_then(Value::as_str) == Some("text"))
        .filter_map(|part| part.get("text").and_then(Value::as_str))
        .collect()
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |name| usage.get(name).and_then(Value::as_u64);
    let (input, output) = (count("prompt_tokens"), count("completion_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(Usage { input: input.unwrap_or(0), output: output.unwrap_or(0) })
}

fn stop(reason: &str) -> StopReason {
    match reason {
        "length" => StopReason::Length,
        "content_filter" => StopReason::Refusal,
        "tool_calls" | "function_call" => StopReason::Tools,
        _ => StopReason::End,
    }
}

#[cfg(test)]
mod tests;
