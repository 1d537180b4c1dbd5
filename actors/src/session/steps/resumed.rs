//! Which turn of an earlier life goes on, and what is left of others.

use std::collections::BTreeMap;

use super::{Opening, StepId, StepRecord, Steps};
use crate::inbox::InboxRecord;

/// A turn of an earlier life: its number, its steps, and how it began.
pub type Resumed = (u64, Steps, Opening);

/// The one turn that goes on (S2): all messages it began with still wait. And the steps of others,
/// which nobody can take up again: a record of such a turn was damaged.
pub fn sorted_out(
    by_turn: BTreeMap<u64, Vec<(StepId, Option<StepRecord>)>>,
    inbox: &[InboxRecord],
) -> (Option<Resumed>, Vec<(u64, StepId)>) {
    let (mut resumed, mut leftovers) = (None, Vec::new());
    for (turn, records) in by_turn {
        let ids: Vec<StepId> = records.iter().map(|(step, _)| *step).collect();
        let known = records.into_iter().filter_map(|(step, record)| Some((step, record?)));
        match Steps::read(known) {
            Some((steps, opening)) if resumed.is_none() && opening.is_among(inbox) => {
                resumed = Some((turn, steps, opening));
            }
            _ => leftovers.extend(ids.into_iter().map(|step| (turn, step))),
        }
    }
    (resumed, leftovers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::message::EnvelopeId;
    use crate::provider::{Completion, Usage};

    // D7: what a damaged record has left of one turn does not hide the journal of another.
    #[test]
    fn only_the_turn_whose_messages_wait_goes_on() {
        let waits = crate::session::machine::tests::record(9, 0);
        let steps = |members: Vec<EnvelopeId>| {
            let opening = Opening { members, prompt: "hi".into(), started_at: Timestamp(0) };
            let (parts, usage) = (Completion::text("let me look").parts, Usage::default());
            let record = StepRecord::Answer { opening: Some(opening), parts, usage };
            vec![(StepId { round: 0, place: 0 }, Some(record))]
        };
        let lost = vec![(StepId { round: 0, place: 1 }, None)];
        let by_turn = [(3, lost), (5, steps(vec![EnvelopeId(5)])), (9, steps(vec![EnvelopeId(9)]))];
        let (resumed, leftovers) = sorted_out(by_turn.into(), &[waits]);
        assert_eq!(resumed.map(|(turn, ..)| turn), Some(9));
        let turns: Vec<u64> = leftovers.iter().map(|(turn, _)| *turn).collect();
        assert_eq!(turns, [3, 5]);
    }
}
