//! The end of a turn whose model calls tools of the client that asks: the client makes them, and its
//! next message brings what they say.

use super::turn::InFlight;
use super::{Effect, Session};
use crate::clock::Timestamp;
use crate::message::AccountKey;
use crate::provider::{Completion, Part, Role, ToolResult, TurnMessage};

impl Session {
    /// The messages of the turn in flight, by account and dedupe key.
    pub fn asked_by(&self) -> impl Iterator<Item = (&AccountKey, &str)> {
        let members = self.turn.iter().flat_map(|turn| &turn.members);
        let messages = members.filter_map(|id| self.records.get(id));
        messages.map(|record| {
            let inbound = &record.envelope.inbound;
            (&inbound.account, inbound.dedupe_key.as_str())
        })
    }

    pub(super) fn hand_over(
        &mut self,
        (turn, round): (u64, u32),
        completion: Completion,
        results: Vec<ToolResult>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.last_used = now;
        let is_awaited = |it: &mut Box<InFlight>| it.expects(turn, round);
        let Some(done) = self.turn.take_if(is_awaited) else { return };
        let (said, usage) = (completion.plain(), completion.usage);
        let answer = done.with_doubts(if said.trim().is_empty() { String::new() } else { said });
        let mut steps = done.steps.messages();
        // What it says stands behind the calls, as its answer.
        let mut parts = completion.parts;
        parts.retain(|part| !matches!(part, Part::Text(_)));
        steps.push(TurnMessage { role: Role::Assistant, parts });
        let parts = results.into_iter().map(Part::Result).collect();
        steps.push(TurnMessage { role: Role::User, parts });
        self.finish(*done, (answer, steps, usage), now, effects);
    }
}
