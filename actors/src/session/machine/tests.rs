use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use super::super::chain::{PAUSE_MAX, TRIES_MAX};
use super::*;
use crate::message::{AccountKey, ChatKind, Destination, Envelope, Inbound, SessionKey};
use crate::provider::{FailureClass, Part, ToolCall, ToolStatus};
use crate::session::ending::Ended;
use crate::session::lane::Mode;

pub(in crate::session) fn record(id: u64, target: u8) -> InboxRecord {
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

pub(super) fn saying(id: u64, target: u8, text: &str) -> InboxRecord {
    let mut record = record(id, target);
    record.envelope.inbound.text = text.into();
    record
}

pub(super) fn settings(lane: LaneSettings) -> Settings {
    Settings {
        lane,
        idle_max: Duration::from_mins(1),
        model: "fake/model".into(),
        context: Arc::default(),
        beat: BeatSettings::default(),
    }
}

pub(super) fn answer() -> Completion {
    Completion::text("ok")
}

pub(super) fn asking(calls: u8) -> Completion {
    let mut completion = Completion::text("let me look");
    completion.parts.extend((0..calls).map(|id| {
        Part::Call(ToolCall {
            id: id.to_string(),
            name: "look".into(),
            arguments: "{}".into(),
            signature: None,
        })
    }));
    completion
}

pub(super) fn done(call: &ToolCall) -> ToolResult {
    ToolResult {
        call: call.id.clone(),
        name: call.name.clone(),
        text: "seen".into(),
        status: ToolStatus::Done,
    }
}

pub(super) fn failure(class: FailureClass) -> Failure {
    Failure { class, message: "no".into(), retry_after: None, output_started: false }
}

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

/// Follows the effects and checks what must hold after each.
#[derive(Default)]
struct Observer {
    ends: BTreeMap<u64, usize>,
    last_answered: BTreeMap<String, u64>,
    in_flight: Option<u64>,
    /// Which answer is awaited.
    round: u32,
    /// Calls whose results are awaited.
    open: Vec<(StepId, ToolCall)>,
    /// Steps recorded for the turn in flight.
    recorded: Vec<StepId>,
    has_left: bool,
    /// What was steered into the turn in flight.
    steered: Vec<EnvelopeId>,
}

impl Observer {
    fn see(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::JournalChain(record) => prop_assert!(self.in_flight == Some(record.turn)),
                Effect::Tell(_) => {
                    prop_assert!(self.in_flight.is_none(), "told before it is asked");
                }
                Effect::Ask(Ask {
                    turn,
                    round,
                    asked: Asked { occasion: Occasion::Begin, .. },
                    ..
                }) => {
                    // S2: at most one turn in flight.
                    prop_assert!(self.in_flight.is_none(), "two turns in flight");
                    (self.in_flight, self.round) = (Some(turn), round);
                }
                Effect::Ask(Ask { turn, round, .. }) => {
                    prop_assert!(self.in_flight == Some(turn));
                    prop_assert!(self.open.is_empty(), "asked before its tools have answered");
                    self.round = round;
                }
                Effect::Summarise { turn, asked: Asked { occasion, .. }, .. } => {
                    prop_assert!(self.in_flight == Some(turn) && occasion != Occasion::Begin);
                    self.round = SUMMARY_ROUND;
                }
                Effect::Summarised { .. } => {
                    prop_assert!(self.round == SUMMARY_ROUND, "nobody asked for a summary");
                }
                Effect::Record { turn, step, record } => {
                    prop_assert!(self.in_flight == Some(turn));
                    // D7: a step is recorded once.
                    prop_assert!(!self.recorded.contains(&step));
                    self.recorded.push(step);
                    match *record {
                        StepRecord::Result(_) => self.open.retain(|(open, _)| *open != step),
                        StepRecord::Steered(steered) => {
                            prop_assert!(self.open.is_empty(), "only at a boundary");
                            self.steered.extend(steered.members);
                        }
                        StepRecord::Answer { .. } => {}
                    }
                }
                Effect::CallTools { calls, again, .. } => {
                    let answer = StepId { round: calls[0].0.round, place: 0 };
                    prop_assert!(self.recorded.contains(&answer), "called before it was recorded");
                    prop_assert!(again != self.open.is_empty(), "a call is begun once");
                    self.open = calls;
                }
                Effect::Finish(finished) => self.finished(&finished)?,
                Effect::DeadLetter { records, reason, .. } => {
                    if reason != Reason::Overflow {
                        self.turn_ends();
                    }
                    for record in records {
                        *self.ends.entry(record.envelope.id.0).or_default() += 1;
                    }
                }
                Effect::End(ended) | Effect::Answer { ended, .. } => self.ended(*ended)?,
                Effect::Passivate => self.has_left = true,
                Effect::GiveBack(_) => prop_assert!(false, "a life that has left is not used"),
                Effect::JournalAttempt(_) | Effect::WakeAt(_) | Effect::Stopped(..) => {}
            }
        }
        Ok(())
    }

    fn turn_ends(&mut self) {
        (self.in_flight, self.round) = (None, 0);
        self.open.clear();
        self.recorded.clear();
        self.steered.clear();
    }

    fn ended(&mut self, ended: Ended) -> Result<(), TestCaseError> {
        prop_assert!(ended.members.len() == ended.exchange.said.len());
        if let Some(turn) = ended.turn {
            prop_assert!(self.in_flight == Some(turn.turn), "only what runs is ended");
            let mut recorded = self.recorded.clone();
            recorded.sort_unstable();
            prop_assert!(turn.steps == recorded, "what was recorded is removed");
            self.turn_ends();
        }
        for id in ended.members {
            *self.ends.entry(id.0).or_default() += 1;
        }
        Ok(())
    }

    /// What the model or the tools say next, if a turn waits for them.
    fn next_news(&self) -> Option<Event> {
        let turn = self.in_flight?;
        Some(match self.open.first() {
            Some((step, call)) => Event::ToolDone(turn, *step, done(call)),
            None => Event::Answered(turn, self.round, answer()),
        })
    }

    fn finished(&mut self, finished: &FinishedTurn) -> Result<(), TestCaseError> {
        let mut recorded = self.recorded.clone();
        recorded.sort_unstable();
        prop_assert!(finished.steps == recorded, "what was recorded is removed");
        let steered = |id: &EnvelopeId| finished.members.contains(id);
        prop_assert!(self.steered.iter().all(steered), "the answer answers what was steered in");
        self.turn_ends();
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

fn only_turn(effects: &[Effect]) -> u64 {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Ask(ask) => Some(ask.turn),
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
        assert_eq!(may_call, round < super::super::steps::ROUNDS_MAX);
        rounds += 1;
        effects = session.step(Event::Answered(1, round, asking(1)), now);
        if let Some(Effect::CallTools { calls, .. }) = effects.get(1) {
            effects = session.step(Event::ToolDone(1, calls[0].0, done(&calls[0].1)), now);
        }
    }
    assert_eq!(rounds, super::super::steps::ROUNDS_MAX + 1);
    assert!(matches!(effects[0], Effect::Finish(_)), "{effects:?}");
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
