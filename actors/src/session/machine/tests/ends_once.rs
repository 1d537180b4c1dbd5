//! Whatever happens, every message ends exactly once.

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;

use super::observer::Observer;
use super::*;
use crate::session::ending::Asker;
use crate::session::lane::Mode;

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    /// A message that is, or begins with, a command.
    Command(u8, &'static str),
    OperatorStop,
    StopMessage(u64),
    Repeat(u8),
    Answer,
    AskForTools(u8),
    ToolDone(u8),
    StaleAnswer,
    Fail(FailureClass),
    TooLong,
    Wait(i64),
}

const COMMANDS: &[&str] = &[
    "/stop",
    "stop",
    "/queue",
    "/queue steer",
    "/queue collect cap:2 drop:new",
    "/queue interrupt",
    "/queue default",
    "/queue what",
    "/steer left",
    "/queue interrupt now this",
    "/queue followup and this",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3).prop_map(Step::Push),
        1 => (0u8..3, prop::sample::select(COMMANDS)).prop_map(|(to, text)| Step::Command(to, text)),
        1 => Just(Step::OperatorStop),
        1 => (1u64..20).prop_map(Step::StopMessage),
        1 => any::<u8>().prop_map(Step::Repeat),
        3 => Just(Step::Answer),
        1 => (1u8..4).prop_map(Step::AskForTools),
        2 => (0u8..4).prop_map(Step::ToolDone),
        1 => Just(Step::StaleAnswer),
        1 => prop_oneof![Just(FailureClass::Server), Just(FailureClass::Auth)].prop_map(Step::Fail),
        1 => Just(Step::Fail(FailureClass::ContextOverflow)),
        1 => Just(Step::TooLong),
        2 => (0i64..20_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // D2: every accepted message ends in exactly one of answered or dead-lettered.
    #[test]
    fn every_message_ends_exactly_once(
        steps in prop::collection::vec(step(), 0..80),
        cap in 1usize..5,
        mode in prop::sample::select(&[Mode::Followup, Mode::Collect, Mode::Steer, Mode::Interrupt][..]),
    ) {
        let lane = LaneSettings { mode, cap, patience: Duration::ZERO, ..LaneSettings::default() };
        let mut now = Timestamp(0);
        let (mut session, effects) = Session::new(settings(lane), Loaded::default(), now);
        let mut observer = Observer::default();
        observer.see(effects)?;
        let mut pushed = 0u64;
        for step in steps {
            let event = match step {
                Step::Push(target) => {
                    pushed += 1;
                    Event::Inbound(Box::new(record(pushed, target)))
                }
                Step::Command(target, text) => {
                    pushed += 1;
                    Event::Inbound(Box::new(saying(pushed, target, text)))
                }
                Step::OperatorStop => Event::Stop(Asker::new(|_| ())),
                Step::StopMessage(id) => Event::StopMessage(EnvelopeId(id), Asker::new(|_| ())),
                Step::Repeat(nth) if pushed > 0 => {
                    let id = u64::from(nth) % pushed + 1;
                    if observer.ends.contains_key(&id) {
                        // The journal no longer holds it, so nobody hands it in again.
                        continue;
                    }
                    Event::Inbound(Box::new(record(id, 0)))
                }
                Step::Answer => {
                    Event::Answered(observer.in_flight.unwrap_or(0), observer.round, answer())
                }
                Step::AskForTools(calls) => {
                    let turn = observer.in_flight.unwrap_or(0);
                    Event::Answered(turn, observer.round, asking(calls))
                }
                Step::ToolDone(nth) => match observer.open.get(usize::from(nth)) {
                    Some((step, call)) => {
                        Event::ToolDone(observer.in_flight.unwrap_or(0), *step, done(call))
                    }
                    None => continue,
                },
                Step::StaleAnswer => Event::Answered(u64::MAX, 0, answer()),
                Step::Fail(class) => {
                    let turn = observer.in_flight.unwrap_or(0);
                    Event::Failed(turn, observer.round, failure(class))
                }
                Step::TooLong => {
                    Event::TooLong(observer.in_flight.unwrap_or(0), observer.round)
                }
                Step::Wait(millis) => {
                    now = Timestamp(now.0 + millis);
                    Event::Tick
                }
                Step::Repeat(_) => continue,
            };
            observer.see(session.step(event, now))?;
            if std::mem::take(&mut observer.has_left) {
                prop_assert!(session.is_idle(), "it leaves with nothing undone");
                session = Session::new(settings(lane), Loaded::default(), now).0;
            }
        }
        // It never hangs: answered patiently, it runs empty.
        for _ in 0..1000 {
            if session.is_idle() { break }
            now = Timestamp(now.0 + 6000);
            observer.see(session.step(Event::Tick, now))?;
            if let Some(news) = observer.next_news() {
                observer.see(session.step(news, now))?;
            }
        }
        prop_assert!(session.is_idle());
        prop_assert!(observer.ends.len() as u64 == pushed, "{} of {pushed}", observer.ends.len());
        prop_assert!(observer.ends.values().all(|ends| *ends == 1));
    }
}
