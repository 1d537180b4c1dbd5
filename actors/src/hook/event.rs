//! What hooks are told. Pure; as JSON it is one object, its keys in camel case, with the moment
//! under `hook`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Moment;
use crate::provider::ToolStatus;

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "hook", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum HookEvent {
    /// The engine runs.
    GatewayStart,
    /// It is about to stop.
    GatewayStop,
    /// A conversation wakes.
    SessionStart {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// Whether nothing was ever answered in it.
        is_new: bool,
    },
    /// It goes to sleep.
    SessionEnd {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
    },
    /// A message is durable and bound to a session.
    MessageReceived {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The message's number in the journal, such as `m12`.
        message: String,
        /// The channel it came in on.
        channel: String,
        /// The account of it.
        account: String,
        /// Who wrote it.
        from: String,
        /// What it says.
        content: String,
    },
    /// A turn is about to ask its model for the first time.
    BeforeAgentStart {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The turn.
        turn: u64,
        /// What the model will be asked.
        prompt: String,
        /// The system prompt; a hook may replace it.
        system_prompt: String,
        /// What hooks put below the system prompt for this turn; each adds to it.
        prepend_context: String,
    },
    /// A turn has ended.
    AgentEnd {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The turn.
        turn: u64,
        /// Whether it has an answer.
        success: bool,
        /// The answer.
        answer: Option<String>,
        /// Why there is none.
        error: Option<String>,
    },
    /// A tool is about to be called.
    BeforeToolCall {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The tool.
        tool_name: String,
        /// Its arguments, which fit its schema; a hook may replace them.
        params: Map<String, Value>,
    },
    /// A tool has ended.
    AfterToolCall {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The tool.
        tool_name: String,
        /// The arguments as the model gave them.
        params: Value,
        /// What it said.
        result: String,
        /// How it ended.
        status: ToolStatus,
    },
    /// The result of a tool is about to be recorded.
    ToolResultPersist {
        /// The session's key.
        session: String,
        /// The tool.
        tool_name: String,
        /// What it said; a hook may replace it.
        content: String,
    },
    /// A summary of the older part of a conversation is about to be written.
    BeforeCompaction {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The turn that waits for it.
        turn: u64,
        /// How many exchanges it will stand for, besides those of the summary before.
        exchanges: usize,
    },
    /// It was written, or would not do.
    AfterCompaction {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// Whether it stands for the older part from now on.
        success: bool,
        /// How many exchanges it stands for, all in all.
        summed_up: u64,
    },
    /// An agent's answer is about to go to the outbox.
    MessageSending {
        /// The session's key.
        session: String,
        /// Its agent.
        agent: String,
        /// The channel it goes out on.
        channel: String,
        /// The account of it.
        account: String,
        /// The platform's id of the conversation.
        to: String,
        /// What it says, before prefix and cutting; a hook may replace it.
        content: String,
    },
    /// A part of a reply is out, or will never be.
    MessageSent {
        /// The session's key.
        session: String,
        /// The channel.
        channel: String,
        /// The account of it.
        account: String,
        /// The platform's id of the conversation.
        to: String,
        /// What it says.
        content: String,
        /// Whether it is out.
        success: bool,
        /// Why not.
        error: Option<String>,
    },
}

impl HookEvent {
    /// When this is told.
    pub fn moment(&self) -> Moment {
        match self {
            HookEvent::GatewayStart => Moment::GatewayStart,
            HookEvent::GatewayStop => Moment::GatewayStop,
            HookEvent::SessionStart { .. } => Moment::SessionStart,
            HookEvent::SessionEnd { .. } => Moment::SessionEnd,
            HookEvent::MessageReceived { .. } => Moment::MessageReceived,
            HookEvent::BeforeAgentStart { .. } => Moment::BeforeAgentStart,
            HookEvent::AgentEnd { .. } => Moment::AgentEnd,
            HookEvent::BeforeToolCall { .. } => Moment::BeforeToolCall,
            HookEvent::AfterToolCall { .. } => Moment::AfterToolCall,
            HookEvent::ToolResultPersist { .. } => Moment::ToolResultPersist,
            HookEvent::BeforeCompaction { .. } => Moment::BeforeCompaction,
            HookEvent::AfterCompaction { .. } => Moment::AfterCompaction,
            HookEvent::MessageSending { .. } => Moment::MessageSending,
            HookEvent::MessageSent { .. } => Moment::MessageSent,
        }
    }
}
