//! A conversation that does not fit: it becomes shorter in steps, with a summary among them.
//!
//! The transcript keeps everything; only what the model is shown becomes shorter. A turn for which
//! nothing helps ends as a dead letter with advice, and the session goes on.

use std::collections::VecDeque;

use super::turn::InFlight;
use super::{ASK_AGAIN, Asked, Effect, Occasion, Session};
use crate::clock::Timestamp;
use crate::context::{
    self, Next, SUMMARY_COVERS_MAX, Summary, Verdict, View, conversation, question, split,
};
use crate::dead_letter::Reason;
use crate::provider::{Completion, Failure, FailureClass, TurnMessage, UNWATCHED};

/// The number under which a summary is asked for: no turn has so many answers.
pub const SUMMARY_ROUND: u32 = UNWATCHED;

impl Session {
    /// What the model is shown for a turn.
    pub(super) fn conversation(&self, turn: &InFlight) -> Vec<TurnMessage> {
        // A heartbeat may be asked as if nothing had been said before.
        let (nothing, is_alone) = (VecDeque::new(), self.is_alone(turn));
        let view = View {
            summary: self.summary.as_deref().filter(|_| !is_alone),
            past: if is_alone { &nothing } else { &self.history },
            rules: &self.settings.context,
            stage: turn.room.stage,
        };
        conversation(&view, &turn.prompt, turn.steps.messages())
    }

    /// The summary the turn in flight waits for, if it waits for one.
    pub(super) fn ask_summary(&self, asked: &Asked, effects: &mut Vec<Effect>) -> bool {
        let Some(turn) = &self.turn else { return false };
        let Some(job) = &turn.room.job else { return false };
        let (summary, mut rules) = (self.summary.as_deref(), (*self.settings.context).clone());
        if let Some(focus) = turn.compacts.as_ref().filter(|focus| !focus.is_empty()) {
            rules.instructions.push_str("\nWhat matters most: ");
            rules.instructions.push_str(focus);
        }
        let question = question(summary, &self.history, job, &rules);
        let asked = asked.clone();
        effects.push(Effect::Summarise { turn: turn.turn, question, asked });
        true
    }

    /// The conversation is too long, or its summary failed. `by_estimate` if nobody was asked.
    pub(super) fn too_long(
        &mut self,
        (turn, round): (u64, u32),
        by_estimate: bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(in_flight) = self.turn.as_mut().filter(|t| t.expects(turn, round)) else { return };
        in_flight.ask_at = now.plus(ASK_AGAIN);
        if in_flight.room.job.is_some() && in_flight.room.halve() {
            return self.ask(Occasion::Anew, effects);
        }
        self.make_room(by_estimate, effects);
    }

    /// The summary could not be written: the turn goes on without one.
    pub(super) fn summary_failed(
        &mut self,
        failure: &Failure,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(in_flight) = self.turn.as_mut() else { return };
        let (turn, by_estimate) = (in_flight.turn, false);
        if failure.class == FailureClass::ContextOverflow {
            return self.too_long((turn, SUMMARY_ROUND), by_estimate, now, effects);
        }
        in_flight.ask_at = now.plus(ASK_AGAIN);
        in_flight.room.without_summary();
        self.make_room(by_estimate, effects);
    }

    /// A model has written the summary. It is durable, or dismissed, before anything follows.
    pub(super) fn summarised(
        &mut self,
        completion: &Completion,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(in_flight) = self.turn.as_mut() else { return };
        let Some(job) = in_flight.room.job.clone() else { return };
        in_flight.ask_at = now.plus(ASK_AGAIN);
        let usage = completion.usage;
        let (before, rules) = (self.summary.as_deref(), &self.settings.context);
        let text = completion.plain();
        match context::judge(&text, before, &self.history, &job, rules) {
            Verdict::Good(text) => {
                in_flight.room.compacted();
                let summary = self.covered(text, job.exchanges);
                let durable = Some(Box::new(summary.clone()));
                effects.push(Effect::Summarised { summary: durable, usage });
                self.summary = Some(Box::new(summary));
                self.history.drain(..job.exchanges.min(self.history.len()));
                if self.is_compacting() {
                    let text = self.compacted_text();
                    return self.end_compaction(&text, effects);
                }
                self.ask(Occasion::Anew, effects);
            }
            Verdict::Bad(wrong) => {
                effects.push(Effect::Summarised { summary: None, usage });
                if in_flight.room.correct(wrong) {
                    self.ask(Occasion::Anew, effects);
                } else {
                    self.make_room(false, effects);
                }
            }
        }
    }

    /// Shows less than before, or gives the turn up.
    fn make_room(&mut self, by_estimate: bool, effects: &mut Vec<Effect>) {
        if self.is_compacting() {
            let text = "No summary could be written, so the conversation stays as it is. The log of \
                        the gateway says why.";
            return self.end_compaction(text, effects);
        }
        let Some(before) = self.turn.as_ref().map(|turn| self.conversation(turn)) else { return };
        loop {
            let Some(turn) = self.turn.as_mut() else { return };
            let exchanges = split(&self.history, &self.settings.context, turn.room.asked);
            match turn.room.next(exchanges, by_estimate) {
                Next::Shorter if turn.room.is_last_try => break,
                Next::Shorter => {
                    // A stage that leaves out nothing is no other try.
                    if self.turn.as_ref().is_some_and(|turn| self.conversation(turn) != before) {
                        break;
                    }
                }
                Next::Compact(_) => break,
                Next::GiveUp => return self.give_up_too_long(effects),
            }
        }
        self.ask(Occasion::Anew, effects);
    }

    /// The model must not be asked: the person is told why.
    pub(super) fn withheld(
        &mut self,
        (turn, round): (u64, u32),
        why: String,
        effects: &mut Vec<Effect>,
    ) {
        if !self.turn.as_ref().is_some_and(|in_flight| in_flight.expects(turn, round)) {
            return;
        }
        if self.is_compacting() {
            return self.end_compaction(&format!("Nothing was summed up: {why}."), effects);
        }
        let notice = format!(
            "This message has no answer yet: {why}. It is kept, and the operator of this gateway \
             can replay it."
        );
        let reason = Reason::Provider { class: "budget".into(), message: why };
        self.give_up(&reason, &notice, effects);
    }

    fn give_up_too_long(&mut self, effects: &mut Vec<Effect>) {
        let reason = Reason::Provider {
            class: "contextoverflow".into(),
            message: "the conversation is too long for the model, and it could not be made short \
                      enough: choose a model that reads more, then replay"
                .into(),
        };
        let notice = "This message is too long for the model, even without the older parts of our \
                      conversation, so it has no answer. Nothing is lost: please try a shorter \
                      message. The operator of this gateway can also replay it with a model that \
                      reads more.";
        self.give_up(&reason, notice, effects);
    }

    /// What stands for the oldest exchanges and for the summary before.
    fn covered(&self, text: String, exchanges: usize) -> Summary {
        let before = self.summary.as_deref();
        let mut covers = before.map(|summary| summary.covers.clone()).unwrap_or_default();
        covers.extend(self.history.iter().take(exchanges).map(|past| past.turn));
        covers.sort_unstable();
        covers.dedup();
        covers.drain(..covers.len().saturating_sub(SUMMARY_COVERS_MAX));
        let count = u64::try_from(exchanges).unwrap_or(u64::MAX);
        Summary {
            text,
            covers,
            exchanges: before.map_or(0, |summary| summary.exchanges).saturating_add(count),
            model: String::new(),
            at: Timestamp(0),
        }
    }
}
