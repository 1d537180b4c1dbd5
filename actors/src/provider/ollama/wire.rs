//! The JSON of Ollama's chat: messages out, one JSON document a line in.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{
    Completion, Failure, FailureClass, Part, Request, Role, StopReason, ToolSpec, TurnMessage,
};

/// The body of a request for a stream.
pub(super) fn encode(request: &Request) -> String {
    let mut messages = Vec::new();
    if !request.system.trim().is_empty() {
        messages.push(json!({"role": "system", "content": request.system}));
    }
    for message in &request.messages {
        add(message, &mut messages);
    }
    let mut body = json!({
        "model": request.model,
        "messages": messages,
        "stream": true,
        "options": {"num_predict": request.output_tokens_max},
    });
    // The format has no way to show tools and forbid them.
    if !request.tools.is_empty() && request.may_call {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    body.to_string()
}

fn tool(tool: &ToolSpec) -> Value {
    json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    }})
}

fn add(message: &TurnMessage, messages: &mut Vec<Value>) {
    let (mut calls, mut images) = (Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Result(result) => messages.push(json!({
                "role": "tool", "tool_name": result.name, "content": result.text,
            })),
            Part::Call(call) => {
                let arguments: Value =
                    serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
                calls.push(json!({"function": {"name": call.name, "arguments": arguments}}));
            }
            Part::Media(media) => images.push(media.base64()),
            Part::Text(_) | Part::Reasoning(_) => {}
        }
    }
    let text = message.plain();
    if text.trim().is_empty() && calls.is_empty() && images.is_empty() {
        return;
    }
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut said = json!({"role": role, "content": text});
    if !calls.is_empty() {
        said["tool_calls"] = json!(calls);
    }
    if !images.is_empty() {
        said["images"] = json!(images);
    }
    messages.push(said);
}

/// Reads one answer. Fields it does not know count as absent.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    answer: Answer,
    calls: u64,
}

impl answer::Decoder for Decoder {
    fn event(&mut self, data: &str) -> Result<Progress<'_>, Failure> {
        if data.trim().is_empty() {
            return Ok(Progress::Quiet);
        }
        Ok(self.take(&parse(data)?))
    }

    fn document(&mut self, body: &str) -> Result<Progress<'_>, Failure> {
        let json = parse(body)?;
        if json.get("message").is_none() && json.get("error").is_none() {
            return Err(failure(
                FailureClass::Format,
                "the provider's answer is JSON without a message: check base_url",
            ));
        }
        Ok(self.take(&json))
    }

    fn is_whole(&self) -> bool {
        self.answer.stop.is_some()
    }

    fn finish(self) -> Result<Completion, Failure> {
        self.answer.finish()
    }
}

impl Decoder {
    fn take(&mut self, json: &Value) -> Progress<'_> {
        if json.get("error").is_some_and(|error| !error.is_null()) {
            return Progress::Error;
        }
        let calls = json.pointer("/message/tool_calls").and_then(Value::as_array);
        for call in calls.into_iter().flatten() {
            let word = |name: &str| call.pointer(name).and_then(Value::as_str).unwrap_or_default();
            let arguments = call.pointer("/function/arguments").filter(|args| args.is_object());
            let arguments = arguments.map(Value::to_string).unwrap_or_default();
            self.answer.add_call(self.calls, word("/id"), word("/function/name"), &arguments);
            self.calls += 1;
        }
        if json.get("done").and_then(Value::as_bool) == Some(true) {
            let count = |name: &str| json.get(name).and_then(Value::as_u64).unwrap_or_default();
            self.answer.usage.input = count("prompt_eval_count");
            self.answer.usage.output = count("eval_count");
            let is_cut = json.get("done_reason").and_then(Value::as_str) == Some("length");
            self.answer.stop = Some(if is_cut { StopReason::Length } else { StopReason::End });
        }
        let text = json.pointer("/message/content").and_then(Value::as_str);
        self.answer.add(text.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
