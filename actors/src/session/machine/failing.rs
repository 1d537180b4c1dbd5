//! What follows when a model fails: another one, a pause, or the end of the turn.

use std::time::Duration;

use super::{ASK_AGAIN, Effect, InFlight, Occasion, Session};
use crate::clock::Timestamp;
use crate::dead_letter::Reason;
use crate::message::ChatKind;
use crate::provider::{Failure, FailureClass};
use crate::session::chain::{Move, fallback_notice};

impl Session {
    pub(super) fn failed(
        &mut self,
        (turn, round): (u64, u32),
        failure: Failure,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(in_flight) = self.turn.as_mut().filter(|t| t.expects(turn, round)) else { return };
        if in_flight.room.job.is_some() {
            return self.summary_failed(&failure, now, effects);
        }
        if failure.class == FailureClass::ContextOverflow {
            return self.too_long((turn, round), false, now, effects);
        }
        match in_flight.chain.failed(&failure) {
            Move::Next => {
                in_flight.ask_at = now.plus(ASK_AGAIN);
                self.journal_chain(Duration::ZERO, effects);
                self.ask(Occasion::Anew, effects);
            }
            Move::Pause(pause) => {
                // What is still said of the question that failed is about another one now.
                in_flight.asks += 1;
                in_flight.ask_at = now.plus(pause);
                self.journal_chain(pause, effects);
            }
            Move::GiveUp => {
                let reason = Reason::Provider {
                    class: format!("{:?}", failure.class).to_lowercase(),
                    message: in_flight.chain.detail(&failure),
                };
                let notice = in_flight.chain.notice();
                self.give_up(&reason, &notice, effects);
            }
        }
    }

    /// A restart asks the model that was asked last: its answer may be under way. And whoever waits
    /// can be told what for.
    fn journal_chain(&mut self, pause: Duration, effects: &mut Vec<Effect>) {
        let Some(turn) = &self.turn else { return };
        let record = turn.chain.record(turn.turn);
        self.chain = Some(record.clone());
        effects.push(Effect::JournalChain(Box::new(record), pause));
    }

    /// What the person is told when another model than the selected one begins to answer: once, and
    /// not in front of a whole group.
    pub(super) fn notice_of_fallback(&self, done: &InFlight) -> Option<String> {
        let failed = done.chain.stands_in_for()?;
        let answers = done.chain.model();
        let is_direct = |id| {
            let record = self.records.get(id);
            record.is_some_and(|record| record.envelope.inbound.chat == ChatKind::Direct)
        };
        let is_new = self.answered_by.as_ref() != Some(&answers.to_string());
        (is_new && done.members.iter().all(is_direct)).then(|| fallback_notice(failed, answers))
    }

    /// The turn in flight ends without an answer. What it has done with its tools is done, and
    /// whoever replays it should know.
    pub(super) fn give_up(&mut self, reason: &Reason, notice: &str, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.take() else { return };
        (self.journalled, self.chain) = (None, None);
        let mut notice = notice.to_owned();
        let used = turn.steps.called_tools();
        if !used.is_empty() {
            notice.push_str(&format!(
                " It had already used {}; a replay may do that again.",
                used.join(", ")
            ));
        }
        let records = turn.members.iter().filter_map(|id| self.records.remove(id));
        let records: Vec<_> = records.map(|record| *record).collect();
        let told = self.hearing.gave_up(&records, reason, &used);
        effects.push(Effect::DeadLetter {
            records,
            reason: reason.clone(),
            notice: Some(notice),
            turn: Some((turn.turn, turn.steps.ids())),
            told,
        });
    }
}
