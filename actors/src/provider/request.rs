//! What goes to a model and what comes back, in our own words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::content::{Part, ToolCall, ToolSpec, TurnMessage, calls, plain};

/// One call to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The provider's own model name.
    pub model: String,
    /// The system prompt; may be empty.
    pub system: String,
    /// The conversation, oldest first. Never empty; ends with a person or with tool results.
    pub messages: Vec<TurnMessage>,
    /// What the model may call; may be empty.
    pub tools: Vec<ToolSpec>,
    /// Whether it may call them now. They are described all the same where earlier calls are shown.
    pub may_call: bool,
    /// Whether it must call one of them, where the format can say so.
    pub must_call: bool,
    /// Upper bound of the answer, in tokens.
    pub output_tokens_max: u32,
}

/// Tokens a call has used, as the provider reports them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// It was done.
    End,
    /// The output limit was reached: the text is cut.
    Length,
    /// It declined.
    Refusal,
    /// It waits for the results of its tool calls.
    Tools,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What it says, in order: text, thinking, tool calls.
    pub parts: Vec<Part>,
    /// Tokens used.
    pub usage: Usage,
    /// Why it ended.
    pub stop: StopReason,
}

impl Completion {
    /// A plain answer.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::Text(text.into())],
            usage: Usage::default(),
            stop: StopReason::End,
        }
    }

    /// The text of it, without anything else.
    pub fn plain(&self) -> String {
        plain(&self.parts)
    }

    /// How long it is, in bytes: text, thinking and the arguments of its calls.
    pub fn bytes(&self) -> usize {
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Reasoning(reasoning) => reasoning.block.len(),
            Part::Call(call) => call.arguments.len(),
            Part::Result(result) => result.text.len(),
            Part::Media(media) => media.bytes.len(),
        };
        self.parts.iter().map(bytes).sum()
    }

    /// The tool calls it asks for, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        calls(&self.parts)
    }
}

/// The classes of provider failures: what decides whether and where to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureClass {
    /// The key was refused (401).
    Auth,
    /// The account may not do this at all (403).
    AuthPermanent,
    /// Too many requests (429).
    RateLimit,
    /// The provider is overloaded (529, 503 with its overload type).
    Overloaded,
    /// No credit (402, or a quota message).
    Billing,
    /// A deadline passed: connect, idle or total.
    Timeout,
    /// The server failed (5xx) or the connection broke.
    Server,
    /// The request or the answer was malformed.
    Format,
    /// No such model (404).
    ModelNotFound,
    /// The conversation is too long for the model.
    ContextOverflow,
    /// The answer was empty.
    EmptyResponse,
    /// Anything else.
    Unclassified,
}

impl FailureClass {
    /// Its name in metrics; stable.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthPermanent => "auth_permanent",
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::Billing => "billing",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Format => "format",
            Self::ModelNotFound => "model_not_found",
            Self::ContextOverflow => "context_overflow",
            Self::EmptyResponse => "empty_response",
            Self::Unclassified => "unclassified",
        }
    }
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its class, decided once at the wire.
    pub class: FailureClass,
    /// A sentence for people; never holds a key.
    pub message: String,
    /// The provider's own wish for the next attempt.
    pub retry_after: Option<Duration>,
    /// Whether any text had already been streamed: then nothing may be retried.
    pub output_started: bool,
    /// Tokens that were used all the same: an empty answer is paid for like any other.
    pub usage: Usage,
}
