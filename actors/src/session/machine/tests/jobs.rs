//! What jobs say in a session of people.

use super::*;
use crate::channel::webchat;
use crate::session::lane::Mode;
use crate::session::steps::StepRecord;

/// Said at the web chat, where the answers of jobs in a session of people go as well.
fn at_web_chat(id: u64, key: &str) -> Box<InboxRecord> {
    let mut record = record(id, 0);
    let inbound = &mut record.envelope.inbound;
    inbound.account = webchat::account();
    inbound.dedupe_key = key.into();
    inbound.reply_to = webchat::destination(&record.session);
    Box::new(record)
}

fn session(mode: Mode) -> Session {
    let settings = settings(LaneSettings { mode, ..LaneSettings::default() });
    Session::new(settings, Loaded::default(), Timestamp(0)).0
}

const RUNS: [&str; 2] = ["cron:j:5", "manual:j:5:1"];

/// A turn of the first with a call under way; answers what follows when the second comes and the call
/// is done.
fn met(mode: Mode, first: &str, second: &str) -> Vec<Effect> {
    let (mut session, now) = (session(mode), Timestamp(0));
    let mut effects = session.step(Event::Inbound(at_web_chat(1, first)), now);
    let late = now.plus(Duration::from_secs(10));
    effects.extend(session.step(Event::Tick, late));
    let turn = only_turn(&effects);
    let effects = session.step(Event::Answered(turn, 0, asking(1)), late);
    let (step, call) = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::CallTools { calls, .. } => calls.first().cloned(),
            _ => None,
        })
        .expect("a call is made");
    let mut effects = session.step(Event::Inbound(at_web_chat(2, second)), late);
    effects.extend(session.step(Event::ToolDone(turn, step, done(&call)), late));
    effects
}

fn is_steered(effects: &[Effect]) -> bool {
    let steers = |effect: &Effect| match effect {
        Effect::Record { record, .. } => matches!(**record, StepRecord::Steered(_)),
        _ => false,
    };
    effects.iter().any(steers)
}

fn is_interrupted(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::End(_)))
}

#[test]
fn a_run_neither_joins_nor_interrupts_what_a_person_has_asked() {
    for run in RUNS {
        assert!(!is_steered(&met(Mode::Steer, "chat:1", run)), "{run}");
        assert!(!is_interrupted(&met(Mode::Interrupt, "chat:1", run)), "{run}");
    }
    // Another person does.
    assert!(is_steered(&met(Mode::Steer, "chat:1", "chat:2")));
    assert!(is_interrupted(&met(Mode::Interrupt, "chat:1", "chat:2")));
}

// The end of the run, or its being stopped, would end the person's message with it.
#[test]
fn nobody_is_put_into_the_turn_of_a_run() {
    for run in RUNS {
        assert!(!is_steered(&met(Mode::Steer, run, "chat:1")), "{run}");
    }
}
