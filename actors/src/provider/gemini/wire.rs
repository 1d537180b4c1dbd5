//! The JSON of Gemini: contents out, chunks in. A whole answer is one chunk.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{
    Completion, Failure, FailureClass, Part, Request, Role, StopReason, ToolCall, ToolResult,
    ToolSpec, ToolStatus, TurnMessage,
};

/// The body of a request.
pub(super) fn encode(request: &Request) -> String {
    let contents: Vec<Value> = request.messages.iter().filter_map(content).collect();
    let mut body = json!({
        "contents": contents,
        "generationConfig": {"maxOutputTokens": request.output_tokens_max},
    });
    if !request.system.trim().is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": request.system}]});
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body["tools"] = json!([{"functionDeclarations": tools}]);
        if !request.may_call {
            body["toolConfig"] = json!({"functionCallingConfig": {"mode": "NONE"}});
        } else if request.must_call {
            body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY"}});
        }
    }
    body.to_string()
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.parameters,
    })
}

fn content(message: &TurnMessage) -> Option<Value> {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "model",
    };
    let parts: Vec<Value> = message.parts.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| json!({"role": role, "parts": parts}))
}

fn part(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) if text.trim().is_empty() => None,
        Part::Text(text) => Some(json!({"text": text})),
        // Its thinking is signed on the calls.
        Part::Reasoning(_) => None,
        Part::Call(call) => Some(function_call(call)),
        Part::Result(result) => Some(function_response(result)),
        Part::Media(media) => Some(json!({
            "inlineData": {"mimeType": media.media_type, "data": media.base64()},
        })),
    }
}

fn function_call(call: &ToolCall) -> Value {
    let args: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
    let mut part = json!({"functionCall": {"id": call.id, "name": call.name, "args": args}});
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = json!(signature);
    }
    part
}

fn function_response(result: &ToolResult) -> Value {
    let key = if result.status == ToolStatus::Done { "output" } else { "error" };
    json!({"functionResponse": {
        "id": result.call, "name": result.name, "response": {key: result.text},
    }})
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
        let known = ["candidates", "promptFeedback", "error"];
        if !known.iter().any(|name| json.get(name).is_some()) {
            return Err(failure(
                FailureClass::Format,
                "the provider's answer is JSON without candidates: check base_url",
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
        let count = |name: &str| json.pointer(name).and_then(Value::as_u64).unwrap_or_default();
        if json.get("usageMetadata").is_some() {
            self.answer.usage.input = count("/usageMetadata/promptTokenCount");
            // Thinking is paid for like text.
            self.answer.usage.output = count("/usageMetadata/candidatesTokenCount")
                .saturating_add(count("/usageMetadata/thoughtsTokenCount"));
        }
        if json.pointer("/promptFeedback/blockReason").is_some_and(Value::is_string) {
            self.answer.stop = Some(StopReason::Refusal);
        }
        let candidate = json.pointer("/candidates/0").unwrap_or(&Value::Null);
        if let Some(reason) = candidate.get("finishReason").and_then(Value::as_str) {
            self.answer.stop = Some(stop(reason));
        }
        let mut text = String::new();
        let parts = candidate.pointer("/content/parts").and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            if part.get("functionCall").is_some() {
                self.take_call(part);
            } else if part.get("thought").and_then(Value::as_bool) != Some(true) {
                text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        self.answer.add(&text)
    }

    /// Calls come whole, and not always with an id.
    fn take_call(&mut self, part: &Value) {
        let word = |name: &str| part.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let arguments = part.pointer("/functionCall/args").filter(|args| args.is_object());
        let arguments = arguments.map(Value::to_string).unwrap_or_default();
        let number = self.calls;
        self.calls += 1;
        self.answer.add_call(
            number,
            word("/functionCall/id"),
            word("/functionCall/name"),
            &arguments,
        );
        self.answer.sign_call(number, word("/thoughtSignature"));
    }
}

fn stop(reason: &str) -> StopReason {
    match reason {
        "MAX_TOKENS" => StopReason::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => {
            StopReason::Refusal
        }
        _ => StopReason::End,
    }
}

#[cfg(test)]
mod tests;
