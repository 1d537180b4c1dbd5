//! The rules of one session: at most one turn in flight, messages of a lane answered in order, and
//! every accepted message ends answered or dead-lettered.
//!
//! Pure: events in, effects out. The actor performs the effects in the order given, and a crash may
//! interrupt it anywhere: what has to survive is in the effect that comes first.

mod compact;
mod effect;
mod failing;
mod files;
mod hearing;
mod make_room;
mod steering;
mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use self::effect::{Ask, Asked, Effect, FinishedTurn, Occasion};
pub(super) use self::hearing::keeps_told;
pub use self::hearing::{BeatSettings, Hearing};
pub use self::make_room::SUMMARY_ROUND;
pub use self::steering::prompt_of;
use self::turn::{InFlight, Past, remembered};
use super::chain::{Chain, ChainRecord};
use super::ending::{Asker, Stopped};
use super::lane::{Batch, Lane, LaneSettings, Next, Pushed, render};
use super::queue::QueueChoice;
use super::record::{Exchange, TurnRecord};
use super::steps::{Opening, StepId, StepRecord, Steps};
use crate::clock::Timestamp;
use crate::context::{ContextRules, Room, Summary};
use crate::dead_letter::Reason;
use crate::heartbeat::is_beat;
use crate::inbox::InboxRecord;
use crate::message::{Destination, EnvelopeId};
use crate::model::Candidates;
use crate::provider::{Completion, Failure, ToolResult};

/// Exchanges kept in memory and sent along as context.
pub const HISTORY_EXCHANGES_MAX: usize = 50;
/// Crashes of one turn before its messages are poison.
pub const CRASHES_MAX: u32 = 3;
/// A turn without news for this long is asked for again: the provider may have been restarted.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What can happen to a session.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message is durable and routed here.
    Inbound(Box<InboxRecord>),
    /// The model has answered: the turn, which of its answers, and what it says.
    Answered(u64, u32, Completion),
    /// The model could not be asked: the turn, for which of its answers, and why.
    Failed(u64, u32, Failure),
    /// The provider knows nothing of this turn, or not of this answer; and which of the turn's
    /// questions that was about.
    NotAsked(u64, u32, u32),
    /// Its models are others from the next turn on: those that were put here on the way in.
    Chosen(Option<Box<Candidates>>),
    /// The model would be asked more than it can read: the turn, and for which of its answers.
    TooLong(u64, u32),
    /// The model must not be asked: the turn, for which of its answers, and why.
    Withheld(u64, u32, String),
    /// A tool has answered: the turn, which of its calls, and what it says.
    ToolDone(u64, StepId, ToolResult),
    /// Time has passed.
    Tick,
    /// Its place is wanted.
    MakeRoom,
    /// An operator or the embedding program ends what runs and what waits.
    Stop(Asker),
    /// The same for one message: what waits behind it goes on.
    StopMessage(EnvelopeId, Asker),
}

/// Fixed settings of a session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How its lane queues.
    pub lane: LaneSettings,
    /// Idle time before it is passivated.
    pub idle_max: Duration,
    /// The models its turns ask.
    pub model: Candidates,
    /// How much it shows the model.
    pub context: Arc<ContextRules>,
    /// How its agent's heart beats.
    pub beat: BeatSettings,
}

/// What a session finds in the store when it starts.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Unanswered messages in order of admission.
    pub inbox: Vec<InboxRecord>,
    /// The last exchanges, oldest first.
    pub history: Vec<Exchange>,
    /// What stands for the oldest of them.
    pub summary: Option<Summary>,
    /// A turn that was journalled as in flight.
    pub turn: Option<TurnRecord>,
    /// A turn with recorded steps: its number, the steps, and how it began.
    pub steps: Option<(u64, Steps, Opening)>,
    /// How a person wants it to queue.
    pub queue: QueueChoice,
    /// How far a turn had got among its models.
    pub chain: Option<ChainRecord>,
    /// The system events that a turn was told, and those that wait.
    pub events: Hearing,
    /// Whether unanswered messages may have been in flight when an earlier life ended.
    pub after_crash: bool,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    lane: Lane,
    /// How a person wants it to queue, above the settings.
    queue: QueueChoice,
    /// Whether the person was told that the lane is full.
    told_full: bool,
    /// What waits or is in flight. Boxed in a tree: an idle session holds no room for messages.
    records: BTreeMap<EnvelopeId, Box<InboxRecord>>,
    history: VecDeque<Past>,
    /// What stands for exchanges that are not in the history.
    summary: Option<Box<Summary>>,
    /// Boxed: an idle session holds no room for it.
    turn: Option<Box<InFlight>>,
    journalled: Option<TurnRecord>,
    /// A turn's place among its models, as the store has it.
    chain: Option<ChainRecord>,
    /// The model of the last answer.
    answered_by: Option<String>,
    /// System events.
    hearing: Hearing,
    /// Messages that may have been in flight when an earlier life ended.
    suspects: Vec<EnvelopeId>,
    last_used: Timestamp,
    wake_at: Option<Timestamp>,
    /// Its place is wanted: it leaves as soon as nothing waits.
    is_leaving: bool,
    /// It drains. A turn begun now would lose its answer, for nobody would be there to hear it.
    has_left: bool,
}

impl Session {
    /// A session as its store shows it.
    pub fn new(settings: Settings, loaded: Loaded, now: Timestamp) -> (Self, Vec<Effect>) {
        let lane = Lane::new(loaded.queue.over(settings.lane));
        let answered =
            |exchange: &&Exchange| !exchange.is_of_gateway() && exchange.unanswered().is_none();
        let last = loaded.history.iter().rev().find(answered);
        let answered_by = last.map(|exchange| exchange.model.clone());
        let mut session = Self {
            settings,
            lane,
            queue: loaded.queue,
            told_full: false,
            chain: loaded.chain,
            answered_by,
            hearing: loaded.events,
            records: BTreeMap::new(),
            history: remembered(loaded.history, loaded.summary.as_ref()),
            summary: loaded.summary.map(Box::new),
            turn: None,
            journalled: loaded.turn,
            suspects: Vec::new(),
            last_used: now,
            wake_at: None,
            is_leaving: false,
            has_left: false,
        };
        if loaded.after_crash {
            session.suspects = loaded.inbox.iter().map(|record| record.envelope.id).collect();
        }
        let mut effects = Vec::new();
        let resumed = loaded.steps.filter(|(_, _, opening)| opening.is_among(&loaded.inbox));
        let waiting = session.recall(resumed, loaded.inbox, now);
        for record in waiting {
            session.restore(record, now, &mut effects);
        }
        if let Some(turn) = session.turn.take_if(|turn| turn.compacts.is_none()) {
            session.start(turn, &mut effects, now);
        }
        session.proceed(now, &mut effects);
        (session, effects)
    }

    /// The one entrance.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.has_left {
            if let Event::Inbound(record) = event {
                effects.push(Effect::GiveBack(record));
            } else if let Event::Stop(asker) | Event::StopMessage(_, asker) = event {
                effects.push(Effect::Stopped(asker, Stopped::default()));
            }
            return effects;
        }
        match event {
            Event::Inbound(record) => {
                self.last_used = now;
                self.accept(record, now, &mut effects);
            }
            Event::Answered(turn, round, completion) => {
                self.answered((turn, round), completion, now, &mut effects);
            }
            Event::Failed(turn, round, failure) => {
                self.failed((turn, round), failure, now, &mut effects);
            }
            Event::NotAsked(turn, round, asked) => {
                self.ask_anew((turn, round, asked), now, &mut effects);
            }
            // The turn in flight keeps what it began with.
            Event::Chosen(candidates) => {
                self.settings.model =
                    candidates.map_or_else(|| self.settings.model.clone(), |c| *c);
            }
            Event::TooLong(turn, round) => {
                self.too_long((turn, round), true, now, &mut effects);
            }
            Event::Withheld(turn, round, why) => {
                self.withheld((turn, round), why, &mut effects);
            }
            Event::ToolDone(turn, step, result) => {
                self.tool_done(turn, step, result, now, &mut effects);
            }
            Event::Tick => {
                self.wake_at = None;
                self.check(now, &mut effects);
            }
            Event::MakeRoom => self.is_leaving = true,
            Event::Stop(asker) => self.stop_for(asker, now, &mut effects),
            Event::StopMessage(id, asker) => self.stop_message(id, asker, now, &mut effects),
        }
        self.proceed(now, &mut effects);
        effects
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.turn.is_none() && self.records.is_empty()
    }

    /// The turn in flight.
    pub fn turn_in_flight(&self) -> Option<u64> {
        self.turn.as_ref().map(|turn| turn.turn)
    }

    /// The messages the turn in flight answers.
    pub fn members_in_flight(&self) -> usize {
        self.turn.as_ref().map_or(0, |turn| turn.members.len())
    }

    /// The messages it began with; what was steered in is no part of them.
    pub fn in_flight(&self) -> &[EnvelopeId] {
        let Some(turn) = &self.turn else { return &[] };
        let began = turn.members.len().saturating_sub(turn.steps.steered().count());
        &turn.members[..began]
    }

    /// Where the answer of the turn in flight goes.
    pub fn reply_to(&self) -> Option<&Destination> {
        self.turn.as_ref().map(|turn| &turn.reply_to)
    }

    fn accept(&mut self, record: Box<InboxRecord>, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some((record, waiting)) = self.obey(record, now, effects) else { return };
        let pushed = self.lane.push(waiting);
        self.take(record, pushed, effects);
    }

    fn restore(&mut self, record: InboxRecord, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some((record, waiting)) = self.obey(Box::new(record), now, effects) else { return };
        let pushed = self.lane.restore(waiting);
        self.take(record, pushed, effects);
    }

    fn take(&mut self, record: Box<InboxRecord>, pushed: Pushed, effects: &mut Vec<Effect>) {
        match pushed {
            Pushed::Duplicate => {}
            Pushed::Queued | Pushed::Folded(_) => {
                self.records.insert(record.envelope.id, record);
            }
            Pushed::Dropped(dropped) => {
                self.records.insert(record.envelope.id, record);
                self.overflow(dropped.id, effects);
            }
        }
    }

    /// Starts the next turn if none is in flight; otherwise sees to waking up in time.
    fn proceed(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while self.turn.is_none() {
            match self.lane.next(now) {
                Next::Turn(batch) => self.begin(batch, now, effects),
                Next::WaitUntil(at) => return self.wake(at, effects),
                Next::Idle => {
                    let at = self.last_used.plus(self.settings.idle_max);
                    if at <= now || self.is_leaving {
                        self.has_left = true;
                        effects.push(Effect::Passivate);
                        return;
                    }
                    return self.wake(at, effects);
                }
            }
        }
        if let Some(turn) = &self.turn {
            self.wake(turn.ask_at, effects);
        }
    }

    fn wake(&mut self, at: Timestamp, effects: &mut Vec<Effect>) {
        if self.wake_at.is_none_or(|scheduled| at < scheduled) {
            self.wake_at = Some(at);
            effects.push(Effect::WakeAt(at));
        }
    }

    fn begin(&mut self, batch: Batch, now: Timestamp, effects: &mut Vec<Effect>) {
        self.told_full = false;
        let members: Vec<EnvelopeId> = batch.ids().collect();
        let number = members.iter().map(|id| id.0).min().unwrap_or_default();
        let turn = InFlight {
            turn: number,
            members,
            prompt: self.hearing.tell(render(&batch), effects),
            reply_to: batch.reply_to,
            started_at: now,
            steps: Steps::default(),
            chain: self.chain_of(number, self.is_beat(number)),
            asks: 0,
            room: Room::default(),
            compacts: None,
            ask_at: now.plus(ASK_AGAIN),
        };
        self.start(Box::new(turn), effects, now);
    }

    /// A turn's way through the models, from where an earlier life had got to.
    fn chain_of(&self, turn: u64, is_beat: bool) -> Chain {
        let mut chain = Chain::new(self.models_of(is_beat));
        if let Some(record) = self.chain.as_ref().filter(|record| record.turn == turn) {
            chain.resume(record.clone());
        }
        chain
    }

    /// Takes up a turn of an earlier life, behind its last recorded step; gives back what waits.
    fn recall(
        &mut self,
        resumed: Option<(u64, Steps, Opening)>,
        inbox: Vec<InboxRecord>,
        now: Timestamp,
    ) -> Vec<InboxRecord> {
        let Some((turn, steps, opening)) = resumed else { return inbox };
        let mut members = opening.members;
        members.extend(steps.steered());
        let (owned, waiting): (Vec<_>, Vec<_>) =
            inbox.into_iter().partition(|record| members.contains(&record.envelope.id));
        let Some(first) = owned.first() else { return waiting };
        members.retain(|id| owned.iter().any(|record| record.envelope.id == *id));
        let chain = self.chain_of(turn, is_beat(&first.envelope.inbound));
        self.turn = Some(Box::new(InFlight {
            turn,
            reply_to: first.envelope.inbound.reply_to.clone(),
            members,
            prompt: opening.prompt,
            started_at: opening.started_at,
            steps,
            chain,
            asks: 0,
            room: Room::default(),
            compacts: None,
            ask_at: now.plus(ASK_AGAIN),
        }));
        for record in owned {
            self.lane.mark_left(record.envelope.id);
            self.records.insert(record.envelope.id, Box::new(record));
        }
        waiting
    }

    fn start(&mut self, turn: Box<InFlight>, effects: &mut Vec<Effect>, now: Timestamp) {
        let ids = turn.members.clone();
        if ids.iter().any(|id| self.suspects.contains(id)) {
            self.suspects.retain(|id| !ids.contains(id));
            let attempts = self.crashes_of(&ids) + 1;
            if attempts > CRASHES_MAX {
                let reason = Reason::Poison { attempts: attempts - 1 };
                let notice = "This message made the gateway fail several times. It was set aside \
                              for its operator; nothing else is affected.";
                self.turn = Some(turn);
                self.give_up(&reason, notice, effects);
                return;
            }
            let record = TurnRecord { turn: turn.turn, members: ids, attempts, at: now };
            self.journalled = Some(record.clone());
            effects.push(Effect::JournalAttempt(record));
        }
        self.turn = Some(turn);
        self.ask(Occasion::Begin, effects);
    }

    /// What the turn in flight needs next: its tools, or the model.
    fn ask(&mut self, occasion: Occasion, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        if occasion != Occasion::Check {
            turn.asks += 1;
        }
        let asked = Asked {
            number: turn.asks,
            model: turn.chain.model().clone(),
            fallback: turn.chain.has_next(),
            occasion,
        };
        if self.ask_summary(&asked, effects) {
            return;
        }
        let Some(turn) = &self.turn else { return };
        let calls = turn.steps.open_calls();
        if calls.is_empty() {
            effects.push(Effect::Ask(Ask {
                turn: turn.turn,
                round: turn.steps.round(),
                messages: self.conversation(turn),
                may_call: turn.steps.may_call(),
                is_last_try: turn.room.is_last_try,
                asked,
            }));
        } else {
            effects.push(Effect::CallTools { turn: turn.turn, calls, again: true });
        }
    }

    /// How often a turn with any of these messages was journalled as crashed.
    fn crashes_of(&self, ids: &[EnvelopeId]) -> u32 {
        match &self.journalled {
            Some(record) if record.members.iter().any(|id| ids.contains(id)) => record.attempts,
            _ => 0,
        }
    }

    fn answered(
        &mut self,
        (turn, round): (u64, u32),
        completion: Completion,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.last_used = now;
        let Some(in_flight) = self.turn.as_mut().filter(|in_flight| in_flight.expects(turn, round))
        else {
            return;
        };
        if in_flight.room.job.is_some() {
            return self.summarised(&completion, now, effects);
        }
        if in_flight.steps.may_call() && completion.calls().next().is_some() {
            in_flight.chain.answered();
            in_flight.ask_at = now.plus(ASK_AGAIN);
            effects.extend(in_flight.record_answer(completion));
            self.journalled = None;
        } else if let Some(done) = self.turn.take() {
            self.finish(*done, completion, now, effects);
        }
    }

    fn finish(
        &mut self,
        done: InFlight,
        completion: Completion,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let answer = done.answer(&completion);
        let is_quiet = self.is_quiet(&done, &answer);
        self.hearing.end();
        let notice = self.notice_of_fallback(&done);
        let model = done.chain.model().to_string();
        self.answered_by = Some(model.clone());
        let steps = done.steps.messages();
        let (turn, prompt) = (done.turn, done.prompt.clone());
        if !is_quiet {
            self.remember(Past { turn, prompt, steps: steps.clone(), answer: answer.clone() });
        }
        let said = done.members.iter().filter_map(|id| self.records.remove(id));
        let said = said.map(|record| super::record::Said::from(&*record)).collect();
        effects.push(Effect::Finish(Box::new(FinishedTurn {
            journalled: self.journalled.take().is_some(),
            chained: self.chain.take().is_some(),
            notice,
            members: done.members,
            steps: done.steps.ids(),
            usage: completion.usage,
            exchange: Exchange {
                turn: done.turn,
                said,
                prompt: done.prompt,
                steps,
                answer,
                model,
                usage: done.steps.usage().plus(completion.usage),
                started_at: done.started_at,
                finished_at: now,
                reply_to: done.reply_to,
                entries: Vec::new(),
            },
        })));
    }

    fn tool_done(
        &mut self,
        turn: u64,
        step: StepId,
        result: ToolResult,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.last_used = now;
        let Some(in_flight) = self.turn.as_mut().filter(|in_flight| in_flight.turn == turn) else {
            return;
        };
        if !in_flight.steps.result(step, &result) {
            return;
        }
        in_flight.ask_at = now.plus(ASK_AGAIN);
        let done = in_flight.steps.open_calls().is_empty();
        self.journalled = None;
        effects.push(Effect::Record { turn, step, record: Box::new(StepRecord::Result(result)) });
        if done {
            self.steer(effects);
            self.ask(Occasion::Anew, effects);
        }
    }

    /// Asks about a turn nobody has reported about in time. Its answer may be on its way: so this
    /// only asks, and what comes back decides.
    fn check(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.ask_at <= now) else { return };
        turn.ask_at = now.plus(ASK_AGAIN);
        self.ask(Occasion::Check, effects);
    }

    /// A provider has forgotten what it was asked. What it says of a question before the last is
    /// late: the last may be answered already, and would be paid for twice.
    fn ask_anew(
        &mut self,
        (turn, round, asked): (u64, u32, u32),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let is_last = |t: &&mut Box<InFlight>| t.expects(turn, round) && t.asks == asked;
        if let Some(in_flight) = self.turn.as_mut().filter(is_last) {
            in_flight.ask_at = now.plus(ASK_AGAIN);
            self.ask(Occasion::Anew, effects);
        }
    }

    /// A message leaves the full lane without a turn.
    fn overflow(&mut self, id: EnvelopeId, effects: &mut Vec<Effect>) {
        let records = self.records.remove(&id).map(|record| *record).into_iter().collect();
        let notice = self.full_notice();
        let (reason, turn) = (Reason::Overflow, None);
        effects.push(Effect::DeadLetter { records, reason, notice, turn });
    }
}

#[cfg(test)]
mod asking_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(super) mod tests;
