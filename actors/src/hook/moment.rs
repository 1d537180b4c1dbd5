//! The moments at which hooks are told. Pure.

use std::fmt;
use std::str::FromStr;

/// A moment in the life of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The engine runs.
    GatewayStart,
    /// It is about to stop.
    GatewayStop,
    /// A conversation wakes.
    SessionStart,
    /// It goes to sleep.
    SessionEnd,
    /// A message is durable and bound to a session.
    MessageReceived,
    /// A turn is about to ask its model for the first time.
    BeforeAgentStart,
    /// A turn has ended.
    AgentEnd,
    /// A tool is about to be called.
    BeforeToolCall,
    /// A tool has ended.
    AfterToolCall,
    /// The result of a tool is about to be recorded.
    ToolResultPersist,
    /// A summary of the older part of a conversation is about to be written.
    BeforeCompaction,
    /// It was written, or would not do.
    AfterCompaction,
    /// An agent's answer is about to go to the outbox.
    MessageSending,
    /// A part of a reply is out, or will never be.
    MessageSent,
}

impl Moment {
    /// All of them.
    pub const ALL: [Moment; 14] = [
        Moment::GatewayStart,
        Moment::GatewayStop,
        Moment::SessionStart,
        Moment::SessionEnd,
        Moment::MessageReceived,
        Moment::BeforeAgentStart,
        Moment::AgentEnd,
        Moment::BeforeToolCall,
        Moment::AfterToolCall,
        Moment::ToolResultPersist,
        Moment::BeforeCompaction,
        Moment::AfterCompaction,
        Moment::MessageSending,
        Moment::MessageSent,
    ];

    /// Its name in configs and for programs.
    pub fn name(self) -> &'static str {
        match self {
            Moment::GatewayStart => "gateway_start",
            Moment::GatewayStop => "gateway_stop",
            Moment::SessionStart => "session_start",
            Moment::SessionEnd => "session_end",
            Moment::MessageReceived => "message_received",
            Moment::BeforeAgentStart => "before_agent_start",
            Moment::AgentEnd => "agent_end",
            Moment::BeforeToolCall => "before_tool_call",
            Moment::AfterToolCall => "after_tool_call",
            Moment::ToolResultPersist => "tool_result_persist",
            Moment::BeforeCompaction => "before_compaction",
            Moment::AfterCompaction => "after_compaction",
            Moment::MessageSending => "message_sending",
            Moment::MessageSent => "message_sent",
        }
    }

    /// What a hook of this moment may answer, as keys of its JSON; a void hook nothing.
    pub(super) fn answers(self) -> &'static [&'static str] {
        match self {
            Moment::BeforeAgentStart => &["systemPrompt", "prependContext"],
            Moment::BeforeToolCall => &["params", "block", "blockReason"],
            Moment::ToolResultPersist => &["content"],
            Moment::MessageSending => &["content", "cancel"],
            Moment::GatewayStart
            | Moment::GatewayStop
            | Moment::SessionStart
            | Moment::SessionEnd
            | Moment::MessageReceived
            | Moment::AgentEnd
            | Moment::AfterToolCall
            | Moment::BeforeCompaction
            | Moment::AfterCompaction
            | Moment::MessageSent => &[],
        }
    }
}

impl FromStr for Moment {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|moment| moment.name() == name).ok_or(())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
