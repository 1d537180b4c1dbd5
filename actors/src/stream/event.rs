//! What a stream tells.

use std::sync::Arc;

use crate::message::Destination;
use crate::provider::ToolStatus;

/// One thing that happened in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// The session, by its key.
    pub session: Arc<str>,
    /// The turn: the number of the first message it answers.
    pub turn: u64,
    /// What.
    pub kind: StreamKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamKind {
    /// The turn begins, or goes on after a restart.
    Started {
        /// Where its answer will go.
        to: Destination,
    },
    /// A model begins an answer. What came of this answer before counts no more: the attempt
    /// failed, and this is the next.
    Answering {
        /// Which answer of the turn: each round of tool calls is followed by another.
        round: u32,
    },
    /// The next piece of the answer.
    Text(Arc<str>),
    /// A tool is called.
    Tool(StreamTool),
    /// The turn has ended, and its answer is durable.
    Answered {
        /// The whole answer.
        text: Arc<str>,
        /// Whether it is sent: not where the agent chose silence or a hook stopped it.
        is_sent: bool,
    },
    /// The turn has ended without an answer.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTool {
    /// The model's id of the call.
    pub call: String,
    /// The tool.
    pub name: String,
    /// How it ended; `None` when it begins.
    pub ended: Option<ToolStatus>,
}
