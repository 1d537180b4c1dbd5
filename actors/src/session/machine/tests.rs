use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::message::{AccountKey, ChatKind, Destination, Envelope, Inbound, SessionKey};

fn record(id: u64, target: u8) -> InboxRecord {
    let account = AccountKey::new("fake", "default");
    let target = format!("person{target}");
    InboxRecord {
        envelope: Envelope {
            id: EnvelopeId(id),
            admitted_at: Timestamp(0),
            inbound: Inbound {
                account: account.clone(),
                dedupe_key: id.to_string(),
                chat: ChatKind::Direct,
                peer: target.clone(),
                peer_aliases: vec![],
                thread: None,
                sender: target.clone(),
                reply_to: Destination { account, target, thread: None },
                text: format!("text {id}"),
                attachments: vec![],
                sent_at: Timestamp(0),
            },
        },
        session: SessionKey::main("main", "main").unwrap(),
        agent: "main".into(),
        epoch: 1,
    }
}

fn settings(lane: LaneSettings) -> Settings {
    Settings { lane, idle_max: Duration::from_mins(1), model: "fake/model".into() }
}

fn answer() -> Completion {
    Completion::text("ok")
}

fn failure(class: FailureClass) -> Failure {
    Failure { class, message: "no".into(), retry_after: None, output_started: false }
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Repeat(u8),
    Answer,
    StaleAnswer,
    Fail(FailureClass),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3).prop_map(Step::Push),
        1 => any::<u8>().prop_map(Step::Repeat),
        3 => Just(Step::Answer),
        1 => Just(Step::StaleAnswer),
        1 => prop_oneof![Just(FailureClass::Server), Just(FailureClass::Auth)].prop_map(Step::Fail),
        2 => (0i64..20_000).prop_map(Step::Wait),
    ]
}

/// Follows the effects and checks what must hold after each.
#[derive(Default)]
struct Observer {
    ends: BTreeMap<u64, usize>,
    last_answered: BTreeMap<String, u64>,
    in_flight: Option<u64>,
}

impl Observer {
    fn see(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Ask { turn, again: false, .. } => {
                    // S2: at most one turn in flight.
                    prop_assert!(self.in_flight.is_none(), "two turns in flight");
                    self.in_flight = Some(turn);
                }
                Effect::Ask { turn, again: true, .. } => {
                    prop_assert!(self.in_flight == Some(turn));
                }
                Effect::Finish(finished) => self.finished(&finished)?,
                Effect::DeadLetter { records, reason, .. } => {
                    if reason != Reason::Overflow {
                        self.in_flight = None;
                    }
                    for record in records {
                        *self.ends.entry(record.envelope.id.0).or_default() += 1;
                    }
                }
                Effect::JournalAttempt(_) | Effect::WakeAt(_) | Effect::Passivate => {}
            }
        }
        Ok(())
    }

    fn finished(&mut self, finished: &FinishedTurn) -> Result<(), TestCaseError> {
        self.in_flight = None;
        prop_assert!(finished.members.len() == finished.exchange.said.len());
        let to = finished.exchange.reply_to.target.clone();
        for id in &finished.members {
            *self.ends.entry(id.0).or_default() += 1;
            // D4: one person's messages are answered in order.
            let last = self.last_answered.insert(to.clone(), id.0).unwrap_or(0);
            prop_assert!(last < id.0, "{last} answered before {}", id.0);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // D2: every accepted message ends in exactly one of answered or dead-lettered.
    #[test]
    fn every_message_ends_exactly_once(
        steps in prop::collection::vec(step(), 0..80),
        cap in 1usize..5,
        collect: bool,
    ) {
        let mode = if collect { crate::session::lane::Mode::Collect } else { crate::session::lane::Mode::Followup };
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
                Step::Repeat(nth) if pushed > 0 => {
                    let id = u64::from(nth) % pushed + 1;
                    if observer.ends.contains_key(&id) {
                        // The journal no longer holds it, so nobody hands it in again.
                        continue;
                    }
                    Event::Inbound(Box::new(record(id, 0)))
                }
                Step::Answer => Event::Answered(observer.in_flight.unwrap_or(0), answer()),
                Step::StaleAnswer => Event::Answered(u64::MAX, answer()),
                Step::Fail(class) => Event::Failed(observer.in_flight.unwrap_or(0), failure(class)),
                Step::Wait(millis) => {
                    now = Timestamp(now.0 + millis);
                    Event::Tick
                }
                Step::Repeat(_) => continue,
            };
            observer.see(session.step(event, now))?;
        }
        // It never hangs: answered patiently, it runs empty.
        for _ in 0..1000 {
            if session.is_idle() { break }
            now = Timestamp(now.0 + 6000);
            observer.see(session.step(Event::Tick, now))?;
            if let Some(turn) = observer.in_flight {
                observer.see(session.step(Event::Answered(turn, answer()), now))?;
            }
        }
        prop_assert!(session.is_idle());
        prop_assert!(observer.ends.len() as u64 == pushed, "{} of {pushed}", observer.ends.len());
        prop_assert!(observer.ends.values().all(|ends| *ends == 1));
    }
}

fn only_turn(effects: &[Effect]) -> u64 {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Ask { turn, .. } => Some(*turn),
            _ => None,
        })
        .expect("a turn begins")
}

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
            history: vec![],
        };
        let (_, effects) = Session::new(settings(LaneSettings::default()), loaded, Timestamp(0));
        let Some(Effect::JournalAttempt(record)) = effects.first() else {
            panic!("the attempt is journalled first: {effects:?}");
        };
        assert_eq!(record.attempts, life);
        assert_eq!(only_turn(&effects), 1);
        journalled = Some(record.clone());
    }
    let loaded = Loaded { inbox, turn: journalled, after_crash: true, history: vec![] };
    let (session, effects) = Session::new(settings(LaneSettings::default()), loaded, Timestamp(0));
    let Some(Effect::DeadLetter { records, reason, .. }) = effects.first() else {
        panic!("the poison message is set aside: {effects:?}");
    };
    assert_eq!(records.len(), 1);
    assert_eq!(*reason, Reason::Poison { attempts: CRASHES_MAX });
    assert_eq!(session.turn_in_flight(), Some(2), "the neighbour's turn begins");
}

#[test]
fn a_failing_provider_is_asked_again_and_given_up_in_the_end() {
    let mut now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let turn = only_turn(&session.step(Event::Inbound(Box::new(record(7, 0))), now));
    for _ in 1..PROVIDER_TRIES_MAX {
        let effects = session.step(Event::Failed(turn, failure(FailureClass::Overloaded)), now);
        assert!(
            !effects.iter().any(|e| matches!(e, Effect::DeadLetter { .. } | Effect::Ask { .. }))
        );
        now = now.plus(PROVIDER_PAUSE_MAX);
        assert_eq!(only_turn(&session.step(Event::Tick, now)), turn);
    }
    let effects = session.step(Event::Failed(turn, failure(FailureClass::Overloaded)), now);
    assert!(matches!(
        &effects[0],
        Effect::DeadLetter { reason: Reason::Provider { .. }, notice: Some(_), .. }
    ));
    assert!(session.is_idle());
}

#[test]
fn an_idle_session_is_passivated_and_a_busy_one_is_not() {
    let now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let turn = only_turn(&session.step(Event::Inbound(Box::new(record(1, 0))), now));
    let late = now.plus(Duration::from_secs(61));
    assert!(!session.step(Event::Tick, late).contains(&Effect::Passivate));
    session.step(Event::Answered(turn, answer()), late);
    let later = late.plus(Duration::from_mins(2));
    assert_eq!(session.step(Event::Tick, later), [Effect::Passivate]);
}

#[test]
fn a_busy_session_whose_place_is_wanted_leaves_when_it_is_done() {
    let now = Timestamp(0);
    let (mut session, _) = Session::new(settings(LaneSettings::default()), Loaded::default(), now);
    let turn = only_turn(&session.step(Event::Inbound(Box::new(record(1, 0))), now));
    assert!(!session.step(Event::MakeRoom, now).contains(&Effect::Passivate));
    let effects = session.step(Event::Answered(turn, answer()), now);
    assert!(matches!(effects[0], Effect::Finish(_)), "the answer comes first");
    assert_eq!(effects.last(), Some(&Effect::Passivate));
}
