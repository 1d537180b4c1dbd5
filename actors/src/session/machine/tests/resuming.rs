//! What a session does in its next life with what an earlier one has left.

use super::*;
use crate::session::steps::Opening;

#[test]
fn a_poison_message_is_found_and_its_neighbours_live() {
    // Each life loads the journal, begins the first turn, and crashes in it.
    let inbox = vec![record(1, 0), record(2, 1)];
    let mut journalled = None;
    for life in 1..=CRASHES_MAX {
        let loaded = Loaded {
            inbox: inbox.clone(),
            turn: journalled.clone(),
            after_crash: true,
            ..Loaded::default()
        };
        let (_, effects) = Session::new(settings(LaneSettings::default()), loaded, Timestamp(0));
        let Some(Effect::JournalAttempt(record)) = effects.first() else {
            panic!("the attempt is journalled first: {effects:?}");
        };
        assert_eq!(record.attempts, life);
        assert_eq!(only_turn(&effects), 1);
        journalled = Some(record.clone());
    }
    let loaded = Loaded { inbox, turn: journalled, after_crash: true, ..Loaded::default() };
    let (session, effects) = Session::new(settings(LaneSettings::default()), loaded, Timestamp(0));
    let Some(Effect::DeadLetter { records, reason, .. }) = effects.first() else {
        panic!("the poison message is set aside: {effects:?}");
    };
    assert_eq!(records.len(), 1);
    assert_eq!(*reason, Reason::Poison { attempts: CRASHES_MAX });
    assert_eq!(session.turn_in_flight(), Some(2), "the neighbour's turn begins");
}

/// A session after a crash, with these steps of turn 1 in the store.
fn after_crash(steps: Steps) -> (Session, Vec<Effect>) {
    let opening =
        Opening { members: vec![EnvelopeId(1)], prompt: "text 1".into(), started_at: Timestamp(0) };
    let loaded = Loaded {
        inbox: vec![record(1, 0), record(2, 0)],
        steps: Some((1, steps, opening)),
        after_crash: true,
        ..Loaded::default()
    };
    Session::new(settings(LaneSettings::default()), loaded, Timestamp(0))
}

// D7: what is recorded is neither asked nor called again.
#[test]
fn a_turn_goes_on_behind_its_last_recorded_step() {
    let mut steps = Steps::default();
    steps.answered(asking(2));
    let calls = steps.open_calls();
    steps.result(calls[0].0, &done(&calls[0].1));
    let (mut session, effects) = after_crash(steps.clone());
    let called = effects.iter().find_map(|effect| match effect {
        Effect::CallTools { calls, again: true, .. } => Some(calls.clone()),
        Effect::Ask(_) => panic!("the recorded answer is not asked for again"),
        _ => None,
    });
    assert_eq!(called.unwrap(), calls[1..], "only the call without a result");
    let result = ToolResult { status: ToolStatus::Unknown, ..done(&calls[1].1) };
    let effects = session.step(Event::ToolDone(1, calls[1].0, result), Timestamp(1));
    assert!(matches!(effects[0], Effect::Record { turn: 1, .. }), "recorded first");
    let Effect::Ask(Ask { round: 1, messages, .. }) = &effects[1] else { panic!("{effects:?}") };
    assert_eq!(messages.len(), 3, "the prompt, the answer, the results");
    let effects = session.step(Event::Answered(1, 1, answer()), Timestamp(2));
    let Effect::Finish(finished) = &effects[0] else { panic!("{effects:?}") };
    assert!(finished.exchange.answer.contains("interrupted while look ran"), "it is shown");
    assert_eq!(finished.members, [EnvelopeId(1)]);
    assert_eq!(finished.steps.len(), 3);
}

#[test]
fn a_restart_drops_nothing_that_was_accepted() {
    use crate::session::lane::DropPolicy;
    // One in flight and two waiting: as much as the lane takes without dropping.
    let inbox: Vec<InboxRecord> = (1..=3).map(|id| record(id, 0)).collect();
    for drop in [DropPolicy::Old, DropPolicy::New] {
        let lane = LaneSettings { cap: 2, drop, ..LaneSettings::default() };
        let now = Timestamp(0);
        let (mut live, _) = Session::new(settings(lane), Loaded::default(), now);
        let mut effects = Vec::new();
        for record in &inbox {
            effects.extend(live.step(Event::Inbound(Box::new(record.clone())), now));
        }
        let loaded = Loaded { inbox: inbox.clone(), after_crash: true, ..Loaded::default() };
        let (restored, after) = Session::new(settings(lane), loaded, now);
        effects.extend(after);
        let drops = |effect: &&Effect| matches!(effect, Effect::DeadLetter { .. });
        assert_eq!(effects.iter().find(drops), None, "{drop:?}");
        assert_eq!(restored.turn_in_flight(), Some(1));
    }
}
