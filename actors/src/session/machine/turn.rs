//! One turn in flight: what it answers, how far it is, and what it waits for.

use std::collections::VecDeque;

use super::super::chain::Chain;
use super::super::record::{Exchange, Said};
use super::super::steps::{Opening, StepRecord, Steps};
use super::{Effect, SUMMARY_ROUND};
use crate::clock::Timestamp;
pub(super) use crate::context::Past;
use crate::context::{Room, Summary};
use crate::inbox::InboxRecord;
use crate::message::{Destination, EnvelopeId};
use crate::provider::Completion;
use crate::reply::is_silent;

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) turn: u64,
    pub(super) members: Vec<EnvelopeId>,
    pub(super) reply_to: Destination,
    pub(super) prompt: String,
    pub(super) started_at: Timestamp,
    /// What the model and its tools have said so far.
    pub(super) steps: Steps,
    /// Its way through the models.
    pub(super) chain: Chain,
    /// How often a model was asked; asking after an answer does not count.
    pub(super) asks: u32,
    /// What is left out of the conversation so that it fits.
    pub(super) room: Room,
    /// Set for a turn that only has a summary written: what its person wants to be kept.
    pub(super) compacts: Option<String>,
    /// When to ask (again) if nothing is heard.
    pub(super) ask_at: Timestamp,
}

impl InFlight {
    /// Whether this answer is what the turn waits for.
    pub(super) fn expects(&self, turn: u64, round: u32) -> bool {
        let awaited = if self.room.job.is_some() { SUMMARY_ROUND } else { self.steps.round() };
        self.turn == turn && awaited == round && self.steps.open_calls().is_empty()
    }

    /// Takes an answer with tool calls: it is recorded, then its tools are called.
    pub(super) fn record_answer(&mut self, completion: Completion) -> [Effect; 2] {
        let opening = (self.steps.round() == 0).then(|| Opening {
            members: self.members.clone(),
            prompt: self.prompt.clone(),
            started_at: self.started_at,
        });
        let (parts, usage) = (completion.parts.clone(), completion.usage);
        let step = self.steps.answered(completion);
        let record = Box::new(StepRecord::Answer { opening, parts, usage });
        let calls = self.steps.open_calls();
        [
            Effect::Record { turn: self.turn, step, record },
            Effect::CallTools { turn: self.turn, calls, again: false },
        ]
    }

    /// What the person reads. An interruption that may have left half a deed behind is told.
    pub(super) fn answer(&self, completion: &Completion) -> String {
        let mut answer = completion.plain();
        if answer.trim().is_empty() {
            answer.clear();
            answer.push_str("I used my tools too often in a row without coming to an answer.");
        }
        self.with_doubts(answer)
    }

    /// An answer, and what an interruption may have left behind.
    pub(super) fn with_doubts(&self, mut answer: String) -> String {
        let unknown = self.steps.unknown_tools();
        if !unknown.is_empty() {
            if is_silent(&answer) {
                // Silence is over: the person has to read what follows.
                answer.clear();
            }
            answer.push_str(&format!(
                "\n\n[The gateway was interrupted while {} ran. It was not repeated; whether it \
                 took effect is unknown.]",
                unknown.join(", ")
            ));
        }
        answer
    }
}

impl From<Exchange> for Past {
    fn from(exchange: Exchange) -> Self {
        let Exchange { turn, prompt, steps, answer, .. } = exchange;
        Self { turn, prompt, steps, answer }
    }
}

/// What a session keeps of its exchanges. A plain `collect` would reuse the room of the records,
/// many times what is kept.
pub(super) fn remembered(exchanges: Vec<Exchange>, summary: Option<&Summary>) -> VecDeque<Past> {
    let is_covered =
        |turn: u64| summary.is_some_and(|summary| summary.covers.binary_search(&turn).is_ok());
    let mut history = VecDeque::with_capacity(exchanges.len());
    let shown = exchanges
        .into_iter()
        .filter(|exchange| !exchange.is_of_gateway() && !is_covered(exchange.turn));
    history.extend(shown.map(Past::from));
    history
}

impl From<&InboxRecord> for Said {
    fn from(record: &InboxRecord) -> Self {
        let inbound = &record.envelope.inbound;
        Self {
            envelope: record.envelope.id,
            platform_id: inbound.dedupe_key.clone(),
            sender: inbound.sender.clone(),
            text: inbound.text.clone(),
            sent_at: inbound.sent_at,
            admitted_at: record.envelope.admitted_at,
        }
    }
}
