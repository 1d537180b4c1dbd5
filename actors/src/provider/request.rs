//! What goes to a model and what comes back, in our own words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who speaks in a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A person.
    User,
    /// The agent.
    Assistant,
}

/// One entry of the conversation sent to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnMessage {
    /// Who speaks.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// One call to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The provider's own model name.
    pub model: String,
    /// The system prompt; may be empty.
    pub system: String,
    /// The conversation, oldest first. Never empty; ends with a person.
    pub messages: Vec<TurnMessage>,
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

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// It was done.
    End,
    /// The output limit was reached: the text is cut.
    Length,
    /// It declined.
    Refusal,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The whole text.
    pub text: String,
    /// Tokens used.
    pub usage: Usage,
    /// Why it ended.
    pub stop: StopReason,
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
}
