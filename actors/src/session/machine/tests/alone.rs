//! Messages that bring tools of their client have a turn for themselves.

use super::*;
use crate::session::lane::Mode;

/// Lets the turn in flight call a tool of the agent itself, and then answer. Gives its messages.
fn answered(session: &mut Session, now: Timestamp) -> Vec<u64> {
    let turn = session.turn_in_flight().unwrap();
    let effects = session.step(Event::Answered(turn, 0, asking(1)), now);
    let Some(Effect::CallTools { calls, .. }) = effects.get(1) else { panic!("{effects:?}") };
    let (step, call) = calls[0].clone();
    // Behind the results is where others may be steered in.
    session.step(Event::ToolDone(turn, step, done(&call)), now);
    let effects = session.step(Event::Answered(turn, 1, answer()), now);
    let Some(Effect::Finish(finished)) = effects.first() else { panic!("{effects:?}") };
    finished.members.iter().map(|id| id.0).collect()
}

fn lane(mode: Mode) -> Settings {
    settings(LaneSettings { mode, quiet: Duration::ZERO, ..LaneSettings::default() })
}

// D7: everybody whose message is in a turn is handed its calls, and would make them.
#[test]
fn no_mode_joins_a_client_with_tools_and_anybody() {
    let now = Timestamp(0);
    for mode in [Mode::Followup, Mode::Collect, Mode::Steer, Mode::Interrupt] {
        for restored in [false, true] {
            let inbox: Vec<InboxRecord> = (1..=4).map(|id| record(id, 0)).collect();
            let alone = [1, 2, 4].map(EnvelopeId);
            let (mut session, _) = if restored {
                let alone = alone.into_iter().collect();
                let loaded = Loaded { inbox, alone, ..Loaded::default() };
                Session::new(lane(mode), loaded, now)
            } else {
                let mut begun = Session::new(lane(mode), Loaded::default(), now);
                for record in inbox {
                    let id = record.envelope.id;
                    // A person's own word would interrupt: that is no joining.
                    if id.0 == 3 && mode == Mode::Interrupt {
                        continue;
                    }
                    if alone.contains(&id) {
                        begun.0.takes_alone(id);
                    }
                    begun.0.step(Event::Inbound(Box::new(record)), now);
                }
                begun
            };
            let mut turns = Vec::new();
            while !session.is_idle() {
                turns.push(answered(&mut session, now));
            }
            let expected: &[&[u64]] = if restored || mode != Mode::Interrupt {
                &[&[1], &[2], &[3], &[4]]
            } else {
                &[&[1], &[2], &[4]]
            };
            assert_eq!(turns, expected, "{mode:?} {restored}");
            assert!(session.alone.len() <= 1, "nothing is kept of what has ended");
        }
    }
}
