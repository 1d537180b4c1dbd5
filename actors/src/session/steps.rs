//! The journal of one turn: what the model has answered and what its tools have said, step by step.
//!
//! An answer that asks for tools is recorded before any of them is called, and each result before
//! the model is asked again. After a crash the turn goes on behind its last record: no answer is
//! paid for twice (D7), and a call without a result is not simply made again.

mod record;
mod resumed;

pub use self::record::{Opening, Steered, StepId, StepRecord, step_key, step_of_key, step_prefix};
pub use self::resumed::{Resumed, sorted_out};
use crate::message::EnvelopeId;
use crate::provider::{
    Completion, Part, Role, ToolCall, ToolResult, ToolStatus, TurnMessage, Usage, calls,
};

/// Answers with tool calls in one turn. Beyond it the model is asked without tools: it goes round in
/// circles.
pub const ROUNDS_MAX: u32 = 50;

/// The place of what was steered in behind an answer: after all its calls.
const STEERED: u32 = u32::MAX;

/// The steps of one turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps(Vec<Round>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Round {
    parts: Vec<Part>,
    usage: Usage,
    results: Vec<Option<ToolResult>>,
    steered: Option<Steered>,
}

impl Round {
    fn new(parts: Vec<Part>, usage: Usage) -> Self {
        let results = vec![None; calls(&parts).count()];
        Self { parts, usage, results, steered: None }
    }

    fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        calls(&self.parts)
    }
}

impl Steps {
    /// The steps found in the store, in order, and how their turn began. Steps that do not fit
    /// (their predecessor is missing) are left out: the turn goes on before them.
    pub fn read(
        records: impl IntoIterator<Item = (StepId, StepRecord)>,
    ) -> Option<(Self, Opening)> {
        let (mut steps, mut begun) = (Self::default(), None);
        for (id, record) in records {
            match record {
                StepRecord::Answer { opening, parts, usage } if id.round == steps.round() => {
                    begun = begun.or(opening);
                    steps.0.push(Round::new(parts, usage));
                }
                StepRecord::Result(result) => steps.set(id, result),
                StepRecord::Steered(steered) => {
                    if let Some(round) = steps.round_mut(id.round) {
                        round.steered = Some(steered);
                    }
                }
                StepRecord::Answer { .. } => {}
            }
        }
        begun.map(|opening| (steps, opening))
    }

    /// The number of the next answer.
    pub fn round(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Whether the model may ask for more tools.
    pub fn may_call(&self) -> bool {
        self.round() < ROUNDS_MAX
    }

    /// Takes an answer with tool calls; answers where it has to be recorded.
    pub fn answered(&mut self, completion: Completion) -> StepId {
        let id = StepId { round: self.round(), place: 0 };
        self.0.push(Round::new(completion.parts, completion.usage));
        id
    }

    /// Takes a result of the last answer's calls. `false` if it is not awaited.
    pub fn result(&mut self, id: StepId, result: &ToolResult) -> bool {
        if id.round + 1 != self.round() {
            return false;
        }
        let slot = place(id).and_then(|place| self.0.last_mut()?.results.get_mut(place));
        match slot {
            Some(slot @ None) => {
                *slot = Some(result.clone());
                true
            }
            Some(Some(_)) | None => false,
        }
    }

    /// Puts messages behind the results of the last answer; answers where that has to be recorded.
    /// Nothing if there is no such place, or not any more.
    pub fn steer(&mut self, steered: Steered) -> Option<StepId> {
        let id = StepId { round: self.round().checked_sub(1)?, place: STEERED };
        let last = self.0.last_mut()?;
        if last.steered.is_some() || last.results.iter().any(Option::is_none) {
            return None;
        }
        last.steered = Some(steered);
        Some(id)
    }

    /// The messages that were steered in, in order.
    pub fn steered(&self) -> impl Iterator<Item = EnvelopeId> {
        self.0.iter().filter_map(|round| round.steered.as_ref()).flat_map(|s| s.members.clone())
    }

    fn round_mut(&mut self, round: u32) -> Option<&mut Round> {
        usize::try_from(round).ok().and_then(|round| self.0.get_mut(round))
    }

    fn set(&mut self, id: StepId, result: ToolResult) {
        if let (Some(round), Some(place)) = (self.round_mut(id.round), place(id))
            && let Some(slot) = round.results.get_mut(place)
        {
            *slot = Some(result);
        }
    }

    /// The calls of the last answer that have no result yet.
    pub fn open_calls(&self) -> Vec<(StepId, ToolCall)> {
        let Some(last) = self.0.last() else { return Vec::new() };
        let round = self.round() - 1;
        (1..)
            .zip(last.calls().zip(&last.results))
            .filter(|(_, (_, result))| result.is_none())
            .map(|(place, (call, _))| (StepId { round, place }, call.clone()))
            .collect()
    }

    /// The conversation of these steps, as the model is shown it again. A result the gateway does
    /// not have is never left out: some providers refuse a call without one.
    pub fn messages(&self) -> Vec<TurnMessage> {
        let mut messages = Vec::with_capacity(self.0.len() * 2);
        for round in &self.0 {
            messages.push(TurnMessage { role: Role::Assistant, parts: round.parts.clone() });
            let results = round.calls().zip(&round.results).map(|(call, result)| {
                Part::Result(result.clone().unwrap_or_else(|| ToolResult::unknown(call)))
            });
            let steered = round.steered.iter().map(|steered| Part::Text(steered.text.clone()));
            messages
                .push(TurnMessage { role: Role::User, parts: results.chain(steered).collect() });
        }
        messages
    }

    /// The tools whose outcome nobody knows, each once.
    pub fn unknown_tools(&self) -> Vec<&str> {
        let results = self.0.iter().flat_map(|round| round.results.iter().flatten());
        let unknown = results.filter(|result| result.status == ToolStatus::Unknown);
        let mut names: Vec<&str> = unknown.map(|result| result.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The tools that were called, each once.
    pub fn called_tools(&self) -> Vec<&str> {
        let results = self.0.iter().flat_map(|round| round.results.iter().flatten());
        let mut names: Vec<&str> = results.map(|result| result.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Tokens used by all of them.
    pub fn usage(&self) -> Usage {
        self.0.iter().fold(Usage::default(), |sum, round| sum.plus(round.usage))
    }

    /// Every step that is recorded.
    pub fn ids(&self) -> Vec<StepId> {
        let mut ids = Vec::new();
        for (round, step) in (0..).zip(&self.0) {
            ids.push(StepId { round, place: 0 });
            let done = (1..).zip(&step.results).filter(|(_, result)| result.is_some());
            ids.extend(done.map(|(place, _)| StepId { round, place }));
            ids.extend(step.steered.as_ref().map(|_| StepId { round, place: STEERED }));
        }
        ids
    }
}

/// The index of a call among its answer's results.
fn place(id: StepId) -> Option<usize> {
    usize::try_from(id.place).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::message::SessionKey;
    use crate::session::record::turn_key;

    fn call(id: u32) -> Part {
        Part::Call(ToolCall {
            id: id.to_string(),
            name: "tool".into(),
            arguments: "{}".into(),
            signature: None,
        })
    }

    fn answer(calls: u32) -> Completion {
        let mut completion = Completion::text("thinking aloud");
        completion.parts.extend((0..calls).map(call));
        completion.usage = Usage { input: 2, output: 1 };
        completion
    }

    fn result(id: StepId) -> ToolResult {
        ToolResult {
            call: (id.place - 1).to_string(),
            name: "tool".into(),
            text: format!("{id:?}"),
            status: ToolStatus::Done,
        }
    }

    fn steered(round: u32) -> Steered {
        Steered { members: vec![EnvelopeId(100 + u64::from(round))], text: "and this".into() }
    }

    fn opening() -> Opening {
        Opening { members: vec![EnvelopeId(1)], prompt: "hi".into(), started_at: Timestamp(0) }
    }

    proptest! {
        // D7: whatever prefix of the journal a crash leaves, the turn goes on behind it.
        #[test]
        fn a_journal_cut_anywhere_goes_on_behind_its_last_record(
            rounds in prop::collection::vec((1u32..4, any::<bool>()), 1..5),
            cut in 0usize..40,
        ) {
            let session = SessionKey::main("main", "main").unwrap();
            let (mut steps, mut journal) = (Steps::default(), Vec::new());
            for (calls, is_steered) in rounds {
                let answer = answer(calls);
                let opening = (steps.round() == 0).then(opening);
                let (parts, usage) = (answer.parts.clone(), answer.usage);
                journal.push((steps.answered(answer), StepRecord::Answer { opening, parts, usage }));
                for (id, _) in steps.open_calls() {
                    prop_assert!(steps.result(id, &result(id)));
                    prop_assert!(!steps.result(id, &result(id)), "once only");
                    journal.push((id, StepRecord::Result(result(id))));
                }
                prop_assert!(steps.open_calls().is_empty());
                if is_steered {
                    let steered = steered(steps.round());
                    let id = steps.steer(steered.clone()).unwrap();
                    prop_assert_eq!(steps.steer(steered.clone()), None, "once for an answer");
                    journal.push((id, StepRecord::Steered(steered)));
                }
            }
            let keys: Vec<_> = journal.iter().map(|(id, _)| step_key(&session, 7, *id)).collect();
            prop_assert!(keys.is_sorted(), "the store gives them back in order");
            for (key, (id, _)) in keys.iter().zip(&journal) {
                prop_assert_eq!(step_of_key(&session, key), Some((7, *id)));
            }
            prop_assert_eq!(step_of_key(&session, &turn_key(&session)), None);

            let whole = Steps::read(journal.clone()).unwrap();
            prop_assert_eq!(whole, (steps.clone(), opening()));
            prop_assert_eq!(steps.ids().len(), journal.len());
            journal.truncate(cut.min(journal.len()));
            let Some((cut, _)) = Steps::read(journal.clone()) else {
                prop_assert!(journal.is_empty());
                return Ok(());
            };
            prop_assert_eq!(cut.ids().len(), journal.len());
            // Every call the model is shown has a result beside it.
            for pair in cut.messages().chunks(2) {
                let calls = pair[0].parts.iter().filter(|part| matches!(part, Part::Call(_)));
                let results = pair[1].parts.iter().filter(|part| matches!(part, Part::Result(_)));
                prop_assert_eq!(calls.count(), results.count());
            }
            // What was steered in is shown as often as it is recorded.
            let recorded = |(_, record): &&(StepId, StepRecord)| matches!(record, StepRecord::Steered(_));
            prop_assert_eq!(cut.steered().count(), journal.iter().filter(recorded).count());
            let shown = format!("{:?}", cut.messages());
            prop_assert_eq!(shown.matches("and this").count(), cut.steered().count());
            prop_assert_eq!(cut.usage().input, 2 * u64::from(cut.round()));
        }
    }

    #[test]
    fn late_and_unknown_results_are_not_awaited() {
        let mut steps = Steps::default();
        steps.answered(answer(1));
        for (round, place) in [(1, 1), (0, 0), (0, 2)] {
            let id = StepId { round, place };
            assert!(!steps.result(id, &ToolResult::unknown(&steps.open_calls()[0].1)), "{id:?}");
        }
        let text = format!("{:?}", steps.messages());
        assert!(text.contains("unknown") && text.contains("not repeated"), "{text}");
    }
}
