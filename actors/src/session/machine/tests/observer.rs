//! Follows the effects of a machine and checks what must hold after each.

use std::collections::BTreeMap;

use proptest::prelude::prop_assert;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::session::ending::Ended;
use crate::session::steps::{StepId, StepRecord};

/// What it has seen so far.
#[derive(Default)]
pub(super) struct Observer {
    pub(super) ends: BTreeMap<u64, usize>,
    last_answered: BTreeMap<String, u64>,
    pub(super) in_flight: Option<u64>,
    /// Which answer is awaited.
    pub(super) round: u32,
    /// Calls whose results are awaited.
    pub(super) open: Vec<(StepId, ToolCall)>,
    /// Steps recorded for the turn in flight.
    recorded: Vec<StepId>,
    pub(super) has_left: bool,
    /// What was steered into the turn in flight.
    steered: Vec<EnvelopeId>,
}

impl Observer {
    pub(super) fn see(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::JournalChain(record, _) => {
                    prop_assert!(self.in_flight == Some(record.turn));
                }
                Effect::Tell(_) => {
                    prop_assert!(self.in_flight.is_none(), "told before it is asked");
                }
                Effect::Ask(Ask {
                    turn,
                    round,
                    asked: Asked { occasion: Occasion::Begin, .. },
                    ..
                }) => {
                    // S2: at most one turn in flight.
                    prop_assert!(self.in_flight.is_none(), "two turns in flight");
                    (self.in_flight, self.round) = (Some(turn), round);
                }
                Effect::Ask(Ask { turn, round, .. }) => {
                    prop_assert!(self.in_flight == Some(turn));
                    prop_assert!(self.open.is_empty(), "asked before its tools have answered");
                    self.round = round;
                }
                Effect::Summarise { turn, asked: Asked { occasion, .. }, .. } => {
                    prop_assert!(self.in_flight == Some(turn) && occasion != Occasion::Begin);
                    self.round = SUMMARY_ROUND;
                }
                Effect::Summarised { .. } => {
                    prop_assert!(self.round == SUMMARY_ROUND, "nobody asked for a summary");
                }
                Effect::Record { turn, step, record } => {
                    prop_assert!(self.in_flight == Some(turn));
                    // D7: a step is recorded once.
                    prop_assert!(!self.recorded.contains(&step));
                    self.recorded.push(step);
                    match *record {
                        StepRecord::Result(_) => self.open.retain(|(open, _)| *open != step),
                        StepRecord::Steered(steered) => {
                            prop_assert!(self.open.is_empty(), "only at a boundary");
                            self.steered.extend(steered.members);
                        }
                        StepRecord::Answer { .. } => {}
                    }
                }
                Effect::CallTools { calls, again, .. } => {
                    let answer = StepId { round: calls[0].0.round, place: 0 };
                    prop_assert!(self.recorded.contains(&answer), "called before it was recorded");
                    prop_assert!(again != self.open.is_empty(), "a call is begun once");
                    self.open = calls;
                }
                Effect::Finish(finished) => self.finished(&finished)?,
                Effect::DeadLetter { records, reason, .. } => {
                    if reason != Reason::Overflow {
                        self.turn_ends();
                    }
                    for record in records {
                        *self.ends.entry(record.envelope.id.0).or_default() += 1;
                    }
                }
                Effect::End(ended) | Effect::Answer { ended, .. } => self.ended(*ended)?,
                Effect::Passivate => self.has_left = true,
                Effect::GiveBack(_) => prop_assert!(false, "a life that has left is not used"),
                Effect::JournalAttempt(_) | Effect::WakeAt(_) | Effect::Stopped(..) => {}
            }
        }
        Ok(())
    }

    fn turn_ends(&mut self) {
        (self.in_flight, self.round) = (None, 0);
        self.open.clear();
        self.recorded.clear();
        self.steered.clear();
    }

    fn ended(&mut self, ended: Ended) -> Result<(), TestCaseError> {
        prop_assert!(ended.members.len() == ended.exchange.said.len());
        if let Some(turn) = ended.turn {
            prop_assert!(self.in_flight == Some(turn.turn), "only what runs is ended");
            let mut recorded = self.recorded.clone();
            recorded.sort_unstable();
            prop_assert!(turn.steps == recorded, "what was recorded is removed");
            self.turn_ends();
        }
        for id in ended.members {
            *self.ends.entry(id.0).or_default() += 1;
        }
        Ok(())
    }

    /// What the model or the tools say next, if a turn waits for them.
    pub(super) fn next_news(&self) -> Option<Event> {
        let turn = self.in_flight?;
        Some(match self.open.first() {
            Some((step, call)) => Event::ToolDone(turn, *step, done(call)),
            None => Event::Answered(turn, self.round, answer()),
        })
    }

    fn finished(&mut self, finished: &FinishedTurn) -> Result<(), TestCaseError> {
        let mut recorded = self.recorded.clone();
        recorded.sort_unstable();
        prop_assert!(finished.steps == recorded, "what was recorded is removed");
        let steered = |id: &EnvelopeId| finished.members.contains(id);
        prop_assert!(self.steered.iter().all(steered), "the answer answers what was steered in");
        self.turn_ends();
        prop_assert!(finished.members.len() == finished.exchange.said.len());
        let to = finished.exchange.reply_to.target.clone();
        for id in &finished.members {
            *self.ends.entry(id.0).or_default() += 1;
            // D4: one person's messages are answered in order.
            let last = self.last_answered.insert(to.clone(), id.0).unwrap_or(0);
            prop_assert!(last < id.0, "{last} answered before {}", id.0);
        }
        Ok(())
    }
}
