//! The two wire formats, so that each behaviour of a server is tried with both.

use serde_json::{Value, json};
use telson_actors::provider::anthropic::Anthropic;
use telson_actors::provider::openai::OpenAi;
use telson_actors::provider::{ConfigError, HttpConfig, Provider};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenAi,
    Anthropic,
}

pub(crate) const BOTH: [Format; 2] = [Format::OpenAi, Format::Anthropic];

impl Format {
    pub(crate) fn client(self, config: HttpConfig) -> Result<Box<dyn Provider>, ConfigError> {
        Ok(match self {
            Self::OpenAi => Box::new(OpenAi::new(config)?),
            Self::Anthropic => Box::new(Anthropic::new(config)?),
        })
    }

    /// Path, and header with the key, of a request.
    pub(crate) fn address_and_key(self, key: &str) -> (&'static str, &'static str, String) {
        match self {
            Self::OpenAi => ("/chat/completions", "authorization", format!("Bearer {key}")),
            Self::Anthropic => ("/v1/messages", "x-api-key", key.to_owned()),
        }
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
        }
    }

    /// An error of this type, as a body.
    pub(crate) fn error(self, kind: &str, message: &str) -> String {
        let error = json!({"type": kind, "message": message});
        match self {
            Self::OpenAi => json!({"error": error}),
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
        }
        .to_string()
    }

    /// An event with this data, as each provider frames it.
    pub(crate) fn event(self, data: &Value) -> String {
        match self {
            Self::OpenAi => format!("data: {data}\n\n"),
            Self::Anthropic => {
                format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
            }
        }
    }
}
