//! What can happen to a session: the input of its machine.

use super::super::ending::Asker;
use super::super::steps::StepId;
use crate::inbox::InboxRecord;
use crate::message::EnvelopeId;
use crate::model::Candidates;
use crate::provider::{Completion, Failure, ToolResult};

/// What can happen to a session.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message is durable and routed here.
    Inbound(Box<InboxRecord>),
    /// The model has answered: the turn, which of its answers, and what it says.
    Answered(u64, u32, Completion),
    /// The model has answered with calls that a client makes: the turn, which of its answers, what
    /// it says, and what stands in place of the results.
    Handed(u64, u32, Completion, Vec<ToolResult>),
    /// The model could not be asked: the turn, for which of its answers, and why.
    Failed(u64, u32, Failure),
    /// The provider knows nothing of this turn, or not of this answer; and which of the turn's
    /// questions that was about.
    NotAsked(u64, u32, u32),
    /// Its models are others from the next turn on: those that were put here on the way in.
    Chosen(Option<Box<Candidates>>),
    /// The model would be asked more than it can read: the turn, and for which of its answers.
    TooLong(u64, u32),
    /// The model must not be asked: the turn, for which of its answers, and why.
    Withheld(u64, u32, String),
    /// A tool has answered: the turn, which of its calls, and what it says.
    ToolDone(u64, StepId, ToolResult),
    /// Time has passed.
    Tick,
    /// Its place is wanted.
    MakeRoom,
    /// An operator or the embedding program ends what runs and what waits.
    Stop(Asker),
    /// The same for one message: what waits behind it goes on.
    StopMessage(EnvelopeId, Asker),
}
