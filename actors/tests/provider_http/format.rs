//! The wire formats, so that each behaviour of a server is tried with both.

use serde_json::{Value, json};
use telson_actors::provider::anthropic::Anthropic;
use telson_actors::provider::gemini::Gemini;
use telson_actors::provider::ollama::Ollama;
use telson_actors::provider::openai::OpenAi;
use telson_actors::provider::responses::Responses;
use telson_actors::provider::{ConfigError, HttpConfig, Provider};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenAi,
    Anthropic,
    Responses,
    Gemini,
    Ollama,
}

pub(crate) const ALL: [Format; 5] =
    [Format::OpenAi, Format::Anthropic, Format::Responses, Format::Gemini, Format::Ollama];

impl Format {
    pub(crate) fn client(self, config: HttpConfig) -> Result<Box<dyn Provider>, ConfigError> {
        Ok(match self {
            Self::OpenAi => Box::new(OpenAi::new(config)?),
            Self::Anthropic => Box::new(Anthropic::new(config)?),
            Self::Responses => Box::new(Responses::new(config)?),
            Self::Gemini => Box::new(Gemini::new(config)?),
            Self::Ollama => Box::new(Ollama::new(config)?),
        })
    }

    /// Path, and header with the key, of a request.
    pub(crate) fn address_and_key(self, key: &str) -> (&'static str, &'static str, String) {
        match self {
            Self::OpenAi => ("/chat/completions", "authorization", format!("Bearer {key}")),
            Self::Anthropic => ("/v1/messages", "x-api-key", key.to_owned()),
            Self::Responses => ("/responses", "authorization", format!("Bearer {key}")),
            Self::Gemini => {
                ("/models/m:streamGenerateContent?alt=sse", "x-goog-api-key", key.to_owned())
            }
            Self::Ollama => ("/api/chat", "authorization", format!("Bearer {key}")),
        }
    }

    /// The content type of a stream.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Ollama => "application/x-ndjson",
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// Where a request says how long the answer may be.
    pub(crate) fn output_limit(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic => "/max_tokens",
            Self::Responses => "/max_output_tokens",
            Self::Gemini => "/generationConfig/maxOutputTokens",
            Self::Ollama => "/options/num_predict",
        }
    }

    /// What says nothing but that the server is there.
    pub(crate) fn keep_alive(self) -> &'static str {
        if self == Self::Ollama { "\n" } else { ": wait\n\n" }
    }

    /// Any data as an event without a name.
    pub(crate) fn framed(self, data: &str) -> String {
        if self == Self::Ollama { format!("{data}\n") } else { format!("data: {data}\n\n") }
    }

    /// One event with text.
    pub(crate) fn text(self, text: &str) -> String {
        self.event(&match self {
            Self::OpenAi => json!({"choices": [{"index": 0, "delta": {"content": text}}]}),
            Self::Anthropic => json!({
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }),
            Self::Responses => json!({
                "type": "response.output_text.delta", "output_index": 0, "delta": text,
            }),
            Self::Gemini => json!({"candidates": [{"content": {"parts": [{"text": text}]}}]}),
            Self::Ollama => json!({"message": {"content": text}, "done": false}),
        })
    }

    /// The events which end an answer, with 3 tokens read and 2 written.
    pub(crate) fn end(self) -> String {
        match self {
            Self::OpenAi => [
                self.event(&json!({"choices": [{"delta": {}, "finish_reason": "stop"}]})),
                self.event(&json!({
                    "choices": [],
                    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
                })),
                "data: [DONE]\n\n".to_owned(),
            ]
            .concat(),
            Self::Anthropic => [
                self.event(&json!({
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"input_tokens": 3, "output_tokens": 2},
                })),
                self.event(&json!({"type": "message_stop"})),
            ]
            .concat(),
            Self::Responses => self.event(&json!({
                "type": "response.completed",
                "response": {"usage": {"input_tokens": 3, "output_tokens": 2}},
            })),
            Self::Gemini => self.event(&json!({
                "candidates": [{"finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
            })),
            Self::Ollama => self.event(&json!({
                "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2,
            })),
        }
    }

    /// A refusal without text, and its end.
    pub(crate) fn refusal(self) -> String {
        match self {
            Self::OpenAi => {
                self.event(&json!({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}))
                    + "data: [DONE]\n\n"
            }
            Self::Anthropic => {
                self.event(&json!({"type": "message_delta", "delta": {"stop_reason": "refusal"}}))
                    + &self.event(&json!({"type": "message_stop"}))
            }
            Self::Responses => self.event(&json!({
                "type": "response.incomplete",
                "response": {"incomplete_details": {"reason": "content_filter"}},
            })),
            Self::Gemini => self.event(&json!({"candidates": [{"finishReason": "SAFETY"}]})),
            // It has no word for a refusal.
            Self::Ollama => self.event(&json!({"done": true})),
        }
    }

    /// An error of this type, as a body.
    pub(crate) fn error(self, kind: &str, message: &str) -> String {
        let error = json!({"type": kind, "message": message});
        match self {
            Self::OpenAi | Self::Responses | Self::Gemini | Self::Ollama => {
                json!({"error": error})
            }
            Self::Anthropic => json!({"type": "error", "error": error}),
        }
        .to_string()
    }

    /// An answer in one document, with 3 tokens read and 2 written.
    pub(crate) fn document(self, text: &str) -> String {
        match self {
            Self::OpenAi => json!({
                "choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2},
            }),
            Self::Anthropic => json!({
                "type": "message",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 3, "output_tokens": 2},
            }),
            Self::Responses => json!({
                "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
                "usage": {"input_tokens": 3, "output_tokens": 2},
            }),
            Self::Gemini => json!({
                "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
            }),
            Self::Ollama => json!({
                "message": {"content": text}, "done": true, "prompt_eval_count": 3, "eval_count": 2,
            }),
        }
        .to_string()
    }

    /// An event with this data, as each provider frames it.
    pub(crate) fn event(self, data: &Value) -> String {
        match self {
            Self::OpenAi | Self::Gemini => format!("data: {data}\n\n"),
            Self::Ollama => format!("{data}\n"),
            Self::Anthropic | Self::Responses => {
                format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
            }
        }
    }
}
