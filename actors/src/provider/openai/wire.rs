//! The JSON of chat completions: requests out, events and documents in.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{Completion, Failure, FailureClass, Request, Role, StopReason, Usage};

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

/// The body of a request for a stream. Blank messages are left out: some servers refuse them.
pub(super) fn encode(request: &Request, limit: OutputLimit) -> String {
    let system = [("system", request.system.as_str())];
    let turns = request.messages.iter().map(|turn| (role(turn.role), turn.text.as_str()));
    let messages: Vec<Value> = system
        .into_iter()
        .chain(turns)
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(role, text)| json!({"role": role, "content": text}))
        .collect();
    let limit = match limit {
        OutputLimit::MaxTokens => "max_tokens",
        OutputLimit::MaxCompletionTokens => "max_completion_tokens",
    };
    json!({
        "model": request.model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
        limit: request.output_tokens_max,
    })
    .to_string()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Reads one answer. Fields that are missing or of another shape count as absent: each server
/// that speaks this format bends it in its own way.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    answer: Answer,
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

    fn finish(self) -> Result<Completion, Failure> {
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
        let said = |name| choice.get(field).and_then(|delta| delta.get(name)).map(text);
        let text = said("content").filter(|text| !text.is_empty());
        self.answer.add(&text.or_else(|| said("refusal")).unwrap_or_default())
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
        _ => StopReason::End,
    }
}

#[cfg(test)]
mod tests;
