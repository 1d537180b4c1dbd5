//! What models and tools say to the turn in flight: steps on the way to its answer, and the answer,
//! with which it ends.

use super::asking::ASK_AGAIN;
use super::turn::{InFlight, Past};
use super::{Effect, FinishedTurn, Occasion, Session};
use crate::clock::Timestamp;
use crate::provider::{Completion, ToolResult, TurnMessage, Usage};
use crate::session::record::{Exchange, Said};
use crate::session::steps::{StepId, StepRecord};

impl Session {
    pub(super) fn answered(
        &mut self,
        (turn, round): (u64, u32),
        completion: Completion,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.last_used = now;
        let Some(in_flight) = self.turn.as_mut().filter(|in_flight| in_flight.expects(turn, round))
        else {
            return;
        };
        if in_flight.room.job.is_some() {
            return self.summarised(&completion, now, effects);
        }
        if in_flight.steps.may_call() && completion.calls().next().is_some() {
            in_flight.chain.answered();
            in_flight.ask_at = now.plus(ASK_AGAIN);
            effects.extend(in_flight.record_answer(completion));
            self.journalled = None;
        } else if let Some(done) = self.turn.take() {
            let answer = done.answer(&completion);
            let steps = done.steps.messages();
            self.finish(*done, (answer, steps, completion.usage), now, effects);
        }
    }

    /// Ends a turn with its answer, what was said before it, and the tokens of its last call.
    pub(super) fn finish(
        &mut self,
        done: InFlight,
        (answer, steps, usage): (String, Vec<TurnMessage>, Usage),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let is_quiet = self.is_quiet(&done, &answer);
        self.hearing.end();
        let notice = self.notice_of_fallback(&done);
        let model = done.chain.model().to_string();
        self.answered_by = Some(model.clone());
        let (turn, prompt) = (done.turn, done.prompt.clone());
        if !is_quiet {
            self.remember(Past { turn, prompt, steps: steps.clone(), answer: answer.clone() });
        }
        let said = done.members.iter().filter_map(|id| self.records.remove(id));
        let said = said.map(|record| Said::from(&*record)).collect();
        effects.push(Effect::Finish(Box::new(FinishedTurn {
            journalled: self.journalled.take().is_some(),
            chained: self.chain.take().is_some(),
            notice,
            members: done.members,
            steps: done.steps.ids(),
            usage,
            exchange: Exchange {
                turn: done.turn,
                said,
                prompt: done.prompt,
                steps,
                answer,
                model,
                usage: done.steps.usage().plus(usage),
                started_at: done.started_at,
                finished_at: now,
                reply_to: done.reply_to,
                entries: Vec::new(),
            },
        })));
    }

    pub(super) fn tool_done(
        &mut self,
        turn: u64,
        step: StepId,
        result: ToolResult,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.last_used = now;
        let Some(in_flight) = self.turn.as_mut().filter(|in_flight| in_flight.turn == turn) else {
            return;
        };
        if !in_flight.steps.result(step, &result) {
            return;
        }
        in_flight.ask_at = now.plus(ASK_AGAIN);
        let done = in_flight.steps.open_calls().is_empty();
        self.journalled = None;
        effects.push(Effect::Record { turn, step, record: Box::new(StepRecord::Result(result)) });
        if done {
            self.steer(effects);
            self.ask(Occasion::Anew, effects);
        }
    }
}
