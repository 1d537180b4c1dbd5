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

#[cfg(test)]
mod tests {
    use super::super::tests::{asking, record, settings};
    use super::super::{Event, Loaded};
    use super::*;
    use crate::provider::ToolStatus;
    use crate::session::lane::LaneSettings;

    fn handed(completion: &Completion) -> Vec<ToolResult> {
        let result = |call: &crate::provider::ToolCall| ToolResult {
            call: call.id.clone(),
            name: call.name.clone(),
            text: String::new(),
            status: ToolStatus::Handed,
        };
        completion.calls().map(result).collect()
    }

    // D2, D7: a turn that hands its calls over ends with that answer, once, and runs nothing.
    #[test]
    fn a_turn_ends_where_its_client_goes_on() {
        let now = Timestamp(0);
        let lane = LaneSettings::default();
        let (mut session, _) = Session::new(settings(lane), Loaded::default(), now);
        session.step(Event::Inbound(Box::new(record(1, 0))), now);
        session.step(Event::Inbound(Box::new(record(2, 0))), now);
        assert_eq!(session.asked_by().count(), 1);
        let completion = asking(2);
        let event = Event::Handed(1, 0, completion.clone(), handed(&completion));
        let stale = Event::Handed(1, 1, completion.clone(), handed(&completion));
        assert!(session.step(stale, now).is_empty(), "an answer that is not awaited");
        let effects = session.step(event.clone(), now);
        let Effect::Finish(finished) = &effects[0] else { panic!("{effects:?}") };
        let exchange = &finished.exchange;
        assert_eq!(exchange.handed().len(), 2);
        assert_eq!(exchange.answer, completion.plain().trim());
        let is_text = |part: &Part| matches!(part, Part::Text(_));
        assert!(!exchange.steps[0].parts.iter().any(is_text), "it is said once");
        let runs =
            |effect: &&Effect| matches!(effect, Effect::CallTools { .. } | Effect::Record { .. });
        assert_eq!(effects.iter().find(runs), None);
        // The next message is asked about, and the model is shown what was handed over.
        let ask = effects.iter().find_map(|effect| match effect {
            Effect::Ask(ask) => Some(ask),
            _ => None,
        });
        let shown = format!("{:?}", ask.unwrap().messages);
        assert_eq!(shown.matches("Handed").count(), 2, "{shown}");
        assert!(session.step(event, now).is_empty(), "once");
    }
}
