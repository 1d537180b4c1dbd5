//! What is said in a conversation with a model, piece by piece, in our own words.
//!
//! Every wire format turns these into its own JSON and back. What a format can't say (thinking of
//! another provider, for one) it leaves out.

use serde::{Deserialize, Serialize};

use super::media::Media;

/// Who speaks in a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A person, or a tool that answers.
    User,
    /// The agent.
    Assistant,
}

/// One entry of the conversation sent to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnMessage {
    /// Who speaks.
    pub role: Role,
    /// What was said, in order.
    pub parts: Vec<Part>,
}

/// One piece of what is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Text.
    Text(String),
    /// The model's thinking.
    Reasoning(Reasoning),
    /// The model wants a tool to be called.
    Call(ToolCall),
    /// What a tool has answered.
    Result(ToolResult),
    /// A file of the person whose message is answered. It is read anew for each turn, never stored.
    #[serde(skip)]
    Media(Media),
}

/// Thinking, as its provider wants to see it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoning {
    /// The format it belongs to, such as `anthropic-messages`. Others leave it out.
    pub format: String,
    /// The provider's own JSON of it, signature included: handed back unchanged.
    pub block: String,
}

/// A tool call as the model asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call; the result carries it back.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments: JSON as the model wrote it, which may be broken.
    pub arguments: String,
    /// A signature some providers want back with the call.
    pub signature: Option<String>,
}

/// What became of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub call: String,
    /// The tool.
    pub name: String,
    /// What the model reads.
    pub text: String,
    /// How it ended.
    pub status: ToolStatus,
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolStatus {
    /// It did what it was asked.
    Done,
    /// It did not, and says so.
    Failed,
    /// It was cut off: whether it took effect is unknown.
    Unknown,
    /// It was not made here: the client whose tool it is makes it.
    Handed,
}

/// A tool, as the model is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`, 64 at most, as every provider takes it.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The JSON schema of its arguments, an object.
    pub parameters: serde_json::Value,
}

impl ToolResult {
    /// The result of a call that was cut off: nobody knows whether it had its effect.
    pub fn unknown(call: &ToolCall) -> Self {
        Self {
            call: call.id.clone(),
            name: call.name.clone(),
            text: "The outcome of this call is unknown: the gateway was interrupted while it ran. \
                   It was not repeated. Check whether it took effect before calling it again."
                .into(),
            status: ToolStatus::Unknown,
        }
    }
}

impl TurnMessage {
    /// Plain text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }

    /// The text of it, without anything else.
    pub fn plain(&self) -> String {
        plain(&self.parts)
    }
}

/// The tool calls among some parts, in order.
pub(crate) fn calls(parts: &[Part]) -> impl Iterator<Item = &ToolCall> {
    parts.iter().filter_map(|part| match part {
        Part::Call(call) => Some(call),
        Part::Text(_) | Part::Reasoning(_) | Part::Result(_) | Part::Media(_) => None,
    })
}

/// The text among some parts.
pub(crate) fn plain(parts: &[Part]) -> String {
    parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Reasoning(_) | Part::Call(_) | Part::Result(_) | Part::Media(_) => None,
        })
        .collect()
}
