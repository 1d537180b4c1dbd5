//! The JSON of responses: items out, events and documents in.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{
    Completion, Failure, FailureClass, Part, Request, Role, StopReason, ToolSpec, TurnMessage,
};

/// The format's name, as thinking of it is marked.
const FORMAT: &str = "openai-responses";

/// The body of a request for a stream. Nothing is kept on the server, so thinking travels with us,
/// encrypted.
pub(super) fn encode(request: &Request) -> String {
    let input: Vec<Value> = request.messages.iter().flat_map(items).collect();
    let mut body = json!({
        "model": request.model,
        "input": input,
        "max_output_tokens": request.output_tokens_max,
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
    });
    if !request.system.trim().is_empty() {
        body["instructions"] = json!(request.system);
    }
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
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
}

/// Each part is an item of its own.
fn items(message: &TurnMessage) -> Vec<Value> {
    let (role, kind) = match message.role {
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    let item = |part: &Part| match part {
        Part::Text(text) if text.trim().is_empty() => None,
        Part::Text(text) => Some(json!({
            "type": "message", "role": role, "content": [{"type": kind, "text": text}],
        })),
        Part::Reasoning(reasoning) if reasoning.format == FORMAT => {
            serde_json::from_str(&reasoning.block).ok()
        }
        Part::Reasoning(_) => None,
        Part::Call(call) => Some(json!({
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        })),
        Part::Result(result) => Some(json!({
            "type": "function_call_output", "call_id": result.call, "output": result.text,
        })),
        Part::Media(media) => {
            let file = if media.is_image() {
                json!({"type": "input_image", "image_url": media.data_url()})
            } else {
                let (name, data) = (media.file_name(), media.data_url());
                json!({"type": "input_file", "filename": name, "file_data": data})
            };
            Some(json!({"type": "message", "role": role, "content": [file]}))
        }
    };
    message.parts.iter().filter_map(item).collect()
}

/// Reads one answer. Events, items and fields it does not know count as absent.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    answer: Answer,
    ended: bool,
}

impl answer::Decoder for Decoder {
    fn event(&mut self, data: &str) -> Result<Progress<'_>, Failure> {
        if matches!(data.trim(), "" | "[DONE]") {
            return Ok(Progress::Quiet);
        }
        let json = parse(data)?;
        let number = json.get("output_index").and_then(Value::as_u64).unwrap_or_default();
        match field(&json, "type") {
            "response.output_text.delta" | "response.refusal.delta" => {
                return Ok(self.answer.add(field(&json, "delta")));
            }
            "response.output_item.added" => self.begin(number, json.get("item")),
            "response.function_call_arguments.delta" => {
                self.answer.add_call(number, "", "", field(&json, "delta"));
            }
            "response.output_item.done" => self.take_reasoning(json.get("item")),
            "response.completed" | "response.incomplete" => {
                self.end(json.get("response").unwrap_or(&Value::Null));
                return Ok(Progress::Done);
            }
            "response.failed" | "error" => return Ok(Progress::Error),
            _ => {}
        }
        Ok(Progress::Quiet)
    }

    fn document(&mut self, body: &str) -> Result<Progress<'_>, Failure> {
        let json = parse(body)?;
        if json.get("error").is_some_and(|error| !error.is_null()) {
            return Ok(Progress::Error);
        }
        let Some(items) = json.get("output").and_then(Value::as_array) else {
            return Err(failure(
                FailureClass::Format,
                "the provider's answer is JSON without output: check base_url",
            ));
        };
        for (number, item) in (0..).zip(items) {
            self.begin(number, Some(item));
            if field(item, "type") == "function_call" {
                self.answer.add_call(number, "", "", field(item, "arguments"));
            }
            self.take_reasoning(Some(item));
        }
        self.end(&json);
        let contents = items.iter().filter_map(|item| item.get("content")?.as_array()).flatten();
        let text: String = contents
            .map(|content| [field(content, "text"), field(content, "refusal")].concat())
            .collect();
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
    fn begin(&mut self, number: u64, item: Option<&Value>) {
        if let Some(item) = item.filter(|item| field(item, "type") == "function_call") {
            self.answer.add_call(number, field(item, "call_id"), field(item, "name"), "");
        }
    }

    /// Without its encrypted content the server would not know it any more.
    fn take_reasoning(&mut self, item: Option<&Value>) {
        let Some(item) = item.filter(|item| field(item, "type") == "reasoning") else { return };
        if item.get("encrypted_content").is_some_and(Value::is_string) {
            let block = json!({
                "type": "reasoning",
                "id": item["id"],
                "summary": item.get("summary").unwrap_or(&json!([])),
                "encrypted_content": item["encrypted_content"],
            });
            self.answer.add_reasoning(FORMAT, block.to_string());
        }
    }

    fn end(&mut self, response: &Value) {
        self.ended = true;
        let count = |name: &str| response.pointer(name).and_then(Value::as_u64);
        self.answer.usage.input = count("/usage/input_tokens").unwrap_or_default();
        self.answer.usage.output = count("/usage/output_tokens").unwrap_or_default();
        let reason = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        self.answer.stop = Some(match reason {
            Some("max_output_tokens") => StopReason::Length,
            Some("content_filter") => StopReason::Refusal,
            _ => StopReason::End,
        });
    }
}

fn field<'a>(json: &'a Value, name: &str) -> &'a str {
    json.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
