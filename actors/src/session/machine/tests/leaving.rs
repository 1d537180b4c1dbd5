//! When a session leaves, and what reaches it then.

use super::*;

#[test]
fn an_idle_session_is_passivated_and_a_busy_one_is_not() {
    let now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let turn = only_turn(&session.step(Event::Inbound(Box::new(record(1, 0))), now));
    let late = now.plus(Duration::from_secs(61));
    assert!(!session.step(Event::Tick, late).contains(&Effect::Passivate));
    session.step(Event::Answered(turn, 0, answer()), late);
    let later = late.plus(Duration::from_mins(2));
    assert_eq!(session.step(Event::Tick, later), [Effect::Passivate]);
}

#[test]
fn a_busy_session_whose_place_is_wanted_leaves_when_it_is_done() {
    let now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let turn = only_turn(&session.step(Event::Inbound(Box::new(record(1, 0))), now));
    assert!(!session.step(Event::MakeRoom, now).contains(&Effect::Passivate));
    let effects = session.step(Event::Answered(turn, 0, answer()), now);
    assert!(matches!(effects[0], Effect::Finish(_)), "the answer comes first");
    assert_eq!(effects.last(), Some(&Effect::Passivate));
}

#[test]
fn what_reaches_a_session_that_leaves_is_given_back() {
    let now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    assert_eq!(session.step(Event::MakeRoom, now), [Effect::Passivate]);
    let late = Box::new(record(1, 0));
    let effects = session.step(Event::Inbound(late.clone()), now);
    assert_eq!(effects, [Effect::GiveBack(late)], "its answer would find nobody");
    assert!(session.step(Event::Tick, now).is_empty());
    assert!(session.is_idle());
}
