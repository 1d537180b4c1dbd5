//! The JSON of the messages format: requests out, events and documents in.

use serde_json::{Value, json};

use crate::provider::answer::{self, Answer, Progress, parse};
use crate::provider::classify::failure;
use crate::provider::{Completion, Failure, FailureClass, Request, Role, StopReason};

/// The body of a request for a stream. Blank texts are left out: the server refuses them.
pub(super) fn encode(request: &Request) -> String {
    let messages: Vec<Value> = request
        .messages
        .iter()
        .filter(|turn| !turn.text.trim().is_empty())
        .map(|turn| json!({"role": role(turn.role), "content": turn.text}))
        .collect();
    let mut body = json!({
        "model": request.model,
        "messages": messages,
        "max_tokens": request.output_tokens_max,
        "stream": true,
    });
    if !request.system.trim().is_empty() {
        body["system"] = json!(request.system);
    }
    body.to_string()
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
    ended: bool,
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
            "content_block_start" => return Ok(self.take_block(json.get("content_block"), "text")),
            "content_block_delta" => return Ok(self.take_block(json.get("delta"), "text_delta")),
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
        let text: String = blocks.iter().filter_map(|block| text_of(block, "text")).collect();
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
    fn take_block(&mut self, block: Option<&Value>, kind: &str) -> Progress<'_> {
        let text = block.and_then(|block| text_of(block, kind)).unwrap_or_default();
        self.answer.add(text)
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

/// The text of a block or delta of this type.
fn text_of<'a>(block: &'a Value, kind: &str) -> Option<&'a str> {
    let is_kind = block.get("type").and_then(Value::as_str) == Some(kind);
    block.get("text").and_then(Value::as_str).filter(|_| is_kind)
}

fn stop(reason: &str) -> StopReason {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "refusal" => StopReason::Refusal,
        _ => StopReason::End,
    }
}

#[cfg(test)]
mod tests;
