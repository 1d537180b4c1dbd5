//! What a session wants done: the output of its machine.

use std::time::Duration;

use super::super::chain::ChainRecord;
use super::super::ending::{Asker, Ended, Stopped};
use super::super::query::{Facts, Query};
use super::super::record::{Exchange, TurnRecord};
use super::super::steps::{StepId, StepRecord};
use crate::clock::Timestamp;
use crate::context::{Question, Summary};
use crate::dead_letter::Reason;
use crate::inbox::InboxRecord;
use crate::message::EnvelopeId;
use crate::model::ModelRef;
use crate::provider::{ToolCall, TurnMessage, Usage};
use crate::system_event::Heard;

/// What the actor has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Journal that this turn is tried again after a crash.
    JournalAttempt(TurnRecord),
    /// Journal that another model is asked, or the same after this pause, before it is.
    JournalChain(Box<ChainRecord>, Duration),
    /// A turn begins with these system events: take them out of the queue, durably, before a model
    /// reads them. The text is all that the turn is told.
    Tell(Box<Heard>),
    /// Ask the model.
    Ask(Ask),
    /// Ask a model to write a summary, which comes back as answer number
    /// [`SUMMARY_ROUND`](super::SUMMARY_ROUND).
    Summarise {
        /// The turn that waits for it.
        turn: u64,
        /// What is asked.
        question: Question,
        /// Of whom, unless another model writes this agent's summaries.
        asked: Asked,
    },
    /// A summary was written: count what it has cost, and make it durable if it will do.
    Summarised {
        /// What stands for older exchanges from now on (model and time are filled in by the actor).
        summary: Option<Box<Summary>>,
        /// Tokens used.
        usage: Usage,
    },
    /// Make a step of the turn durable, before anything that follows from it.
    Record {
        /// The turn.
        turn: u64,
        /// Which step.
        step: StepId,
        /// What happened.
        record: Box<StepRecord>,
    },
    /// Call these tools, each reporting with [`Event::ToolDone`](super::Event::ToolDone).
    CallTools {
        /// The turn.
        turn: u64,
        /// The calls without a result.
        calls: Vec<(StepId, ToolCall)>,
        /// Whether they may have begun before: then only harmless ones are started.
        again: bool,
    },
    /// Make the answer durable: transcript, outbox, and the end of the messages, in one commit.
    Finish(Box<FinishedTurn>),
    /// Move these messages to the dead letters, telling the person if `notice` is given.
    DeadLetter {
        /// The messages.
        records: Vec<InboxRecord>,
        /// Why.
        reason: Reason,
        /// What the person is told.
        notice: Option<String>,
        /// The turn that ends with them, if it had begun, and its recorded steps.
        turn: Option<(u64, Vec<StepId>)>,
        /// What it was told of events, where the next turn is told it again.
        told: Option<String>,
    },
    /// End messages without an answer of the agent: the end of commands and of what they end. Then
    /// stop what still runs for their turn.
    End(Box<Ended>),
    /// Answer a person's question about the conversation: fill in the answer, then as with an end.
    Answer {
        /// What they ask.
        query: Query,
        /// What the machine knows of it.
        facts: Box<Facts>,
        /// What ends with the answer.
        ended: Box<Ended>,
    },
    /// Tell whoever asked for a stop what it stopped.
    Stopped(Asker, Stopped),
    /// Send [`Event::Tick`](super::Event::Tick) at this time.
    WakeAt(Timestamp),
    /// Drain the mailbox and end.
    Passivate,
    /// Hand this message to the session's next life: this one has begun to leave.
    GiveBack(Box<InboxRecord>),
}

/// A question to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The turn.
    pub turn: u64,
    /// Which of its answers.
    pub round: u32,
    /// The conversation, ending with the prompt and what came of it so far.
    pub messages: Vec<TurnMessage>,
    /// Whether it may call tools.
    pub may_call: bool,
    /// Whether it may fill the model's window to the brim: everything else was tried.
    pub is_last_try: bool,
    /// Of whom.
    pub asked: Asked,
}

/// Of whom a turn asks something, and as which of its questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which of the turn's questions this is, or asks about.
    pub number: u32,
    /// The model.
    pub model: ModelRef,
    /// Whether another model is asked when this one fails.
    pub fallback: bool,
    /// On which occasion.
    pub occasion: Occasion,
}

/// A turn that has its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTurn {
    /// What goes into the transcript (entries are filled in by the actor).
    pub exchange: Exchange,
    /// The messages that end with it.
    pub members: Vec<EnvelopeId>,
    /// Whether a journalled attempt has to be removed.
    pub journalled: bool,
    /// Recorded steps, to be removed.
    pub steps: Vec<StepId>,
    /// Whether a journalled place among the models has to be removed.
    pub chained: bool,
    /// What the gateway itself has to say before the answer.
    pub notice: Option<String>,
    /// Tokens its last answer has used; those before it are counted already.
    pub usage: Usage,
}

/// Why a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The turn begins.
    Begin,
    /// Nothing was heard for a while, or the model failed: is it still being asked?
    Check,
    /// It is not.
    Anew,
}
