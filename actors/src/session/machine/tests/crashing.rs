//! A journal in memory that takes each effect as the actor would, and lives that end anywhere between
//! two of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::provider::{ToolCall, TurnMessage};
use crate::session::lane::Mode;
use crate::session::record::Exchange;
use crate::session::steps::{StepId, StepRecord};

const TEXTS: [&str; 8] =
    ["a", "b", "c", "/stop", "/queue steer", "/queue interrupt", "/steer d", "/queue default"];

/// What is on the disk, and what the world has seen.
#[derive(Default)]
struct World {
    inbox: BTreeMap<EnvelopeId, InboxRecord>,
    history: Vec<Exchange>,
    attempt: Option<TurnRecord>,
    steps: BTreeMap<StepId, StepRecord>,
    turn: Option<u64>,
    queue: QueueChoice,
    /// How often each message has ended.
    ends: BTreeMap<EnvelopeId, usize>,
    /// What waits for an answer in this life: the turn, the round, and the calls.
    asked: Option<(u64, u32)>,
    open: Vec<(StepId, ToolCall)>,
    /// Calls that have begun, over all lives.
    begun: BTreeSet<(u64, StepId)>,
    /// The texts each turn was asked with last.
    shown: BTreeMap<u64, Vec<String>>,
}

impl World {
    fn wake(&mut self, mode: Mode, now: Timestamp) -> (Session, Vec<Effect>) {
        (self.asked, self.open) = (None, Vec::new());
        let steps = Steps::read(self.steps.clone());
        let loaded = Loaded {
            inbox: self.inbox.values().cloned().collect(),
            alone: BTreeSet::new(),
            history: self.history.clone(),
            summary: None,
            turn: self.attempt.clone(),
            steps: self.turn.zip(steps).map(|(turn, (steps, opening))| (turn, steps, opening)),
            queue: self.queue,
            chain: None,
            events: Hearing::default(),
            after_crash: true,
        };
        Session::new(settings(LaneSettings { mode, ..LaneSettings::default() }), loaded, now)
    }

    /// Performs one effect: on disk first.
    fn perform(&mut self, effect: Effect) -> Result<(), TestCaseError> {
        match effect {
            Effect::JournalAttempt(record) => self.attempt = Some(record),
            Effect::Tell(heard) => prop_assert!(heard.numbers.is_empty(), "nothing was reported"),
            Effect::Record { turn, step, record } => {
                (self.turn, self.attempt) = (Some(turn), None);
                self.open.retain(|(open, _)| *open != step);
                prop_assert!(self.steps.insert(step, *record).is_none(), "D7: recorded once");
            }
            Effect::CallTools { turn, calls, again } => {
                for (step, _) in &calls {
                    // D7: begun once, and otherwise only asked for again.
                    prop_assert!(self.begun.insert((turn, *step)) || again);
                }
                (self.open, self.asked) = (calls, None);
            }
            Effect::Ask(ask) => {
                let (steered, _) = Steps::read(self.steps.clone()).unzip();
                let steered = steered.iter().flat_map(Steps::steered).count();
                let texts: Vec<String> =
                    ask.messages.iter().map(TurnMessage::plain).filter(|t| !t.is_empty()).collect();
                prop_assert!(steered == 0 || texts.len() > 1, "what was steered in is shown");
                let before = self.shown.entry(ask.turn).or_default();
                prop_assert!(texts.len() >= before.len(), "asked with less than before");
                *before = texts;
                self.asked = Some((ask.turn, ask.round));
            }
            Effect::Finish(finished) => {
                self.ended(&finished.members, Some(&finished.steps))?;
                self.history.push(finished.exchange);
            }
            Effect::End(ended) | Effect::Answer { ended, .. } => {
                self.history.push(ended.exchange.clone());
                self.queue = ended.queue.unwrap_or(self.queue);
                let steps = ended.turn.as_ref().map(|turn| &turn.steps);
                self.ended(&ended.members, steps)?;
            }
            Effect::DeadLetter { records, turn, .. } => {
                let ids: Vec<EnvelopeId> = records.iter().map(|r| r.envelope.id).collect();
                self.ended(&ids, turn.as_ref().map(|(_, steps)| steps))?;
            }
            Effect::Summarise { .. }
            | Effect::Summarised { .. }
            | Effect::JournalChain(..)
            | Effect::Stopped(..)
            | Effect::WakeAt(_)
            | Effect::Passivate
            | Effect::GiveBack(_) => {}
        }
        Ok(())
    }

    fn ended(
        &mut self,
        members: &[EnvelopeId],
        steps: Option<&Vec<StepId>>,
    ) -> Result<(), TestCaseError> {
        for id in members {
            prop_assert!(self.inbox.remove(id).is_some(), "D2: {id} ends once");
            *self.ends.entry(*id).or_default() += 1;
        }
        if let Some(steps) = steps {
            self.steps.retain(|id, _| !steps.contains(id));
            prop_assert!(self.steps.is_empty(), "left behind: {:?}", self.steps);
            (self.turn, self.attempt, self.asked) = (None, None, None);
            self.open.clear();
        }
        Ok(())
    }

    /// What the model or the tools say next.
    fn news(&self, tools: bool) -> Option<Event> {
        if let Some((step, call)) = self.open.first() {
            return Some(Event::ToolDone(self.turn?, *step, done(call)));
        }
        let (turn, round) = self.asked?;
        Some(Event::Answered(turn, round, if tools && round < 4 { asking(2) } else { answer() }))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Say(usize, u8),
    News(bool),
    Wait,
    /// The life ends after so many more effects.
    Die(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..TEXTS.len(), 0u8..2).prop_map(|(text, to)| Step::Say(text, to)),
        6 => any::<bool>().prop_map(Step::News),
        1 => Just(Step::Wait),
        1 => (0usize..6).prop_map(Step::Die),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    // D2, D7: whatever arrives during a turn and wherever lives end, each message ends once.
    #[test]
    fn lives_that_end_anywhere_lose_and_double_nothing(
        steps in prop::collection::vec(step(), 0..60),
        mode in prop::sample::select(&[Mode::Followup, Mode::Collect, Mode::Steer, Mode::Interrupt][..]),
    ) {
        let (mut world, mut now, mut said) = (World::default(), Timestamp(0), 0u64);
        let (mut session, effects) = world.wake(mode, now);
        for effect in effects {
            world.perform(effect)?;
        }
        let mut dies_after = None;
        // Crashes make poison of messages; this is about those that are none.
        let mut deaths = 0;
        let patient = std::iter::repeat_n([Step::News(false), Step::Wait], 200).flatten();
        for step in steps.into_iter().chain(patient) {
            let event = match step {
                Step::Say(text, to) => {
                    said += 1;
                    let record = saying(said, to, TEXTS[text]);
                    world.inbox.insert(record.envelope.id, record.clone());
                    Event::Inbound(Box::new(record))
                }
                Step::News(tools) => match world.news(tools) {
                    Some(event) => event,
                    None => continue,
                },
                Step::Wait => {
                    now = now.plus(Duration::from_secs(6));
                    Event::Tick
                }
                Step::Die(effects) => {
                    dies_after = (deaths < CRASHES_MAX).then_some(effects);
                    continue;
                }
            };
            let mut left: std::collections::VecDeque<Effect> = session.step(event, now).into();
            while let Some(effect) = left.pop_front() {
                match &mut dies_after {
                    Some(0) => {
                        (dies_after, deaths) = (None, deaths + 1);
                        let (next, effects) = world.wake(mode, now);
                        session = next;
                        left = effects.into();
                    }
                    Some(effects) => {
                        *effects -= 1;
                        world.perform(effect)?;
                    }
                    None => world.perform(effect)?,
                }
            }
            if session.has_left {
                let (next, effects) = world.wake(mode, now);
                session = next;
                for effect in effects {
                    world.perform(effect)?;
                }
            }
        }
        prop_assert!(world.inbox.is_empty(), "waits for ever: {:?}", world.inbox.keys());
        prop_assert!(world.ends.len() as u64 == said && world.ends.values().all(|ends| *ends == 1));
    }
}
