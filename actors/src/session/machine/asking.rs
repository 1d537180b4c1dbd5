//! Asking for what the turn in flight needs next: its tools, or a model. And asking again, when
//! nothing is heard.

use std::time::Duration;

use super::turn::InFlight;
use super::{Ask, Asked, Effect, Occasion, Session};
use crate::clock::Timestamp;

/// A turn without news for this long is asked for again: the provider may have been restarted.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(5);

impl Session {
    /// Begins a turn, or goes on with one of an earlier life.
    pub(super) fn start(&mut self, turn: Box<InFlight>, effects: &mut Vec<Effect>, now: Timestamp) {
        let Some(turn) = self.suspected(turn, now, effects) else { return };
        self.turn = Some(turn);
        self.ask(Occasion::Begin, effects);
    }

    /// What the turn in flight needs next: its tools, or the model.
    pub(super) fn ask(&mut self, occasion: Occasion, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        if occasion != Occasion::Check {
            turn.asks += 1;
        }
        let asked = Asked {
            number: turn.asks,
            model: turn.chain.model().clone(),
            fallback: turn.chain.has_next(),
            occasion,
        };
        if self.ask_summary(&asked, effects) {
            return;
        }
        let Some(turn) = &self.turn else { return };
        let calls = turn.steps.open_calls();
        if calls.is_empty() {
            effects.push(Effect::Ask(Ask {
                turn: turn.turn,
                round: turn.steps.round(),
                messages: self.conversation(turn),
                may_call: turn.steps.may_call(),
                is_last_try: turn.room.is_last_try,
                asked,
            }));
        } else {
            effects.push(Effect::CallTools { turn: turn.turn, calls, again: true });
        }
    }

    /// Asks about a turn nobody has reported about in time. Its answer may be on its way: so this
    /// only asks, and what comes back decides.
    pub(super) fn check(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.ask_at <= now) else { return };
        turn.ask_at = now.plus(ASK_AGAIN);
        self.ask(Occasion::Check, effects);
    }

    /// A provider has forgotten what it was asked. What it says of a question before the last is
    /// late: the last may be answered already, and would be paid for twice.
    pub(super) fn ask_anew(
        &mut self,
        (turn, round, asked): (u64, u32, u32),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let is_last = |t: &&mut Box<InFlight>| t.expects(turn, round) && t.asks == asked;
        if let Some(in_flight) = self.turn.as_mut().filter(is_last) {
            in_flight.ask_at = now.plus(ASK_AGAIN);
            self.ask(Occasion::Anew, effects);
        }
    }
}
