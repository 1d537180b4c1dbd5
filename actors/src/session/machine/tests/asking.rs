//! What a turn asks of models, and whose late words it heeds.

use std::time::Duration;

use super::*;
use crate::model::ModelRef;
use crate::session::chain::{PAUSE_MAX, TRIES_MAX};
use crate::session::steps::ROUNDS_MAX;

// D7: an answer on its way must not be paid for again.
#[test]
fn a_turn_that_hears_nothing_asks_first_whether_it_is_still_asked() {
    let now = Timestamp(0);
    let occasion = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Ask(ask) => Some(ask.asked.occasion),
            _ => None,
        })
    };
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let effects = session.step(Event::Inbound(Box::new(record(1, 0))), now);
    assert_eq!(occasion(&effects), Some(Occasion::Begin));
    let late = now.plus(ASK_AGAIN);
    assert_eq!(occasion(&session.step(Event::Tick, late)), Some(Occasion::Check));
    assert_eq!(occasion(&session.step(Event::NotAsked(1, 0, 1), late)), Some(Occasion::Anew));
    session.step(Event::Answered(1, 0, answer()), late);
    assert_eq!(occasion(&session.step(Event::NotAsked(1, 0, 1), late)), None, "it has its answer");
}

// D7: what the first model's provider still has to say comes too late.
#[test]
fn another_model_steps_in_once_and_the_first_ones_late_words_are_not_heeded() {
    let now = Timestamp(0);
    let both = Candidates::new(ModelRef::new("a", "1"), [ModelRef::new("b", "2")]);
    let settings = Settings { model: both, ..settings(LaneSettings::default()) };
    let (mut session, _) = Session::new(settings.clone(), Loaded::default(), now);
    session.step(Event::Inbound(Box::new(record(1, 0))), now);
    let late = now.plus(ASK_AGAIN);
    session.step(Event::Tick, late);
    let effects = session.step(Event::Failed(1, 0, failure(FailureClass::Overloaded)), late);
    let [Effect::JournalChain(journalled, Duration::ZERO), Effect::Ask(ask)] = &effects[..2] else {
        panic!("journalled before it is asked: {effects:?}");
    };
    assert_eq!(
        (ask.asked.model.to_string(), ask.asked.number, ask.asked.fallback),
        ("b/2".into(), 2, false)
    );
    let quiet = session.step(Event::NotAsked(1, 0, 1), late);
    assert!(!quiet.iter().any(|effect| matches!(effect, Effect::Ask(_))), "{quiet:?}");

    // A restart goes on with the second model.
    let loaded = Loaded {
        inbox: vec![record(1, 0)],
        chain: Some((**journalled).clone()),
        ..Loaded::default()
    };
    let (_, effects) = Session::new(settings, loaded, now);
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Ask(ask) if ask.asked.model.provider == "b"))
    );

    let finished = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Finish(finished) => Some(*finished),
            _ => None,
        })
    };
    let first = finished(session.step(Event::Answered(1, 0, answer()), late)).unwrap();
    assert_eq!((first.exchange.model.as_str(), first.chained), ("b/2", true));
    assert!(first.notice.unwrap().contains("a/1 can't answer at the moment (overloaded)"));
    let effects = session.step(Event::Inbound(Box::new(record(2, 0))), late);
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Ask(ask) if ask.asked.model.provider == "a"))
    );
    session.step(Event::Failed(2, 0, failure(FailureClass::Overloaded)), late);
    let second = finished(session.step(Event::Answered(2, 0, answer()), late)).unwrap();
    assert_eq!(second.notice, None, "told once");
}

#[test]
fn a_failing_provider_is_asked_again_and_given_up_in_the_end() {
    let mut now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let turn = only_turn(&session.step(Event::Inbound(Box::new(record(7, 0))), now));
    for _ in 1..TRIES_MAX {
        let effects = session.step(Event::Failed(turn, 0, failure(FailureClass::Overloaded)), now);
        assert!(!effects.iter().any(|e| matches!(e, Effect::DeadLetter { .. } | Effect::Ask(_))));
        now = now.plus(PAUSE_MAX);
        assert_eq!(only_turn(&session.step(Event::Tick, now)), turn);
    }
    let effects = session.step(Event::Failed(turn, 0, failure(FailureClass::Overloaded)), now);
    assert!(matches!(
        &effects[0],
        Effect::DeadLetter { reason: Reason::Provider { .. }, notice: Some(_), .. }
    ));
    assert!(session.is_idle());
}

#[test]
fn a_model_that_never_stops_calling_tools_is_made_to_answer() {
    let now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let mut effects = session.step(Event::Inbound(Box::new(record(1, 0))), now);
    let mut rounds = 0;
    loop {
        let asked = effects.iter().find_map(|effect| match effect {
            Effect::Ask(ask) => Some((ask.round, ask.may_call)),
            _ => None,
        });
        let Some((round, may_call)) = asked else { break };
        assert_eq!(may_call, round < ROUNDS_MAX);
        rounds += 1;
        effects = session.step(Event::Answered(1, round, asking(1)), now);
        if let Some(Effect::CallTools { calls, .. }) = effects.get(1) {
            effects = session.step(Event::ToolDone(1, calls[0].0, done(&calls[0].1)), now);
        }
    }
    assert_eq!(rounds, ROUNDS_MAX + 1);
    assert!(matches!(effects[0], Effect::Finish(_)), "{effects:?}");
}
