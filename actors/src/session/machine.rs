//! The rules of one session: at most one turn in flight, messages of a lane answered in order, and
//! every accepted message ends answered or dead-lettered.
//!
//! Pure: events in, effects out. The actor performs the effects in the order given, and a crash may
//! interrupt it anywhere: what has to survive is in the effect that comes first.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::lane::{Batch, Lane, LaneSettings, Next, Pushed, Waiting, render};
use super::record::{Exchange, TurnRecord};
use crate::clock::Timestamp;
use crate::dead_letter::Reason;
use crate::inbox::InboxRecord;
use crate::message::EnvelopeId;
use crate::provider::{Completion, Failure, FailureClass, Role, TurnMessage};

/// Exchanges kept in memory and sent along as context.
pub const HISTORY_EXCHANGES_MAX: usize = 50;
/// Crashes of one turn before its messages are poison.
pub const CRASHES_MAX: u32 = 3;
/// Tries of one turn against a provider that fails for a while, each with its own retries inside.
pub const PROVIDER_TRIES_MAX: u32 = 10;
/// First pause between such tries; doubles up to the last.
const PROVIDER_PAUSE_MIN: Duration = Duration::from_millis(2500);
/// Longest pause between such tries.
const PROVIDER_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A turn without news for this long is asked for again: the provider may have been restarted.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What can happen to a session.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message is durable and routed here.
    Inbound(Box<InboxRecord>),
    /// The model has answered.
    Answered(u64, Completion),
    /// The model could not be asked.
    Failed(u64, Failure),
    /// Time has passed.
    Tick,
    /// Its place is wanted.
    MakeRoom,
}

/// What the actor has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Journal that this turn is tried again after a crash.
    JournalAttempt(TurnRecord),
    /// Ask the model.
    Ask {
        /// The turn.
        turn: u64,
        /// The conversation, ending with the prompt.
        messages: Vec<TurnMessage>,
        /// Whether this turn was asked before: nothing was heard, or the model failed.
        again: bool,
    },
    /// Make the answer durable: transcript, outbox, and the end of the messages, in one commit.
    Finish(Box<FinishedTurn>),
    /// Move these messages to the dead letters, telling the person if `notice` is given.
    DeadLetter {
        /// The messages.
        records: Vec<InboxRecord>,
        /// Why.
        reason: Reason,
        /// What the person is told.
        notice: Option<String>,
    },
    /// Send [`Event::Tick`] at this time.
    WakeAt(Timestamp),
    /// Drain the mailbox and end.
    Passivate,
}

/// A turn that has its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTurn {
    /// What goes into the transcript (entries are filled in by the actor).
    pub exchange: Exchange,
    /// The messages that end with it.
    pub members: Vec<EnvelopeId>,
    /// Whether a journalled attempt has to be removed.
    pub journalled: bool,
}

/// Fixed settings of a session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How its lane queues.
    pub lane: LaneSettings,
    /// Idle time before it is passivated.
    pub idle_max: Duration,
    /// The model it asks, as `provider/model`.
    pub model: String,
}

/// What a session finds in the store when it starts.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Unanswered messages in order of admission.
    pub inbox: Vec<InboxRecord>,
    /// The last exchanges, oldest first.
    pub history: Vec<Exchange>,
    /// A turn that was journalled as in flight.
    pub turn: Option<TurnRecord>,
    /// Whether unanswered messages may have been in flight when an earlier life ended.
    pub after_crash: bool,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    lane: Lane,
    records: HashMap<EnvelopeId, InboxRecord>,
    history: VecDeque<(String, String)>,
    turn: Option<InFlight>,
    journalled: Option<TurnRecord>,
    /// Messages that may have been in flight when an earlier life ended.
    suspects: Vec<EnvelopeId>,
    last_used: Timestamp,
    wake_at: Option<Timestamp>,
    /// Its place is wanted: it leaves as soon as nothing waits.
    is_leaving: bool,
}

#[derive(Debug)]
struct InFlight {
    turn: u64,
    batch: Batch,
    prompt: String,
    started_at: Timestamp,
    tries: u32,
    /// When to ask (again) if nothing is heard.
    ask_at: Timestamp,
}

impl Session {
    /// A session as its store shows it.
    pub fn new(settings: Settings, loaded: Loaded, now: Timestamp) -> (Self, Vec<Effect>) {
        let lane = Lane::new(settings.lane);
        let mut session = Self {
            settings,
            lane,
            records: HashMap::new(),
            history: loaded.history.into_iter().map(|e| (e.prompt, e.answer)).collect(),
            turn: None,
            journalled: loaded.turn,
            suspects: Vec::new(),
            last_used: now,
            wake_at: None,
            is_leaving: false,
        };
        if loaded.after_crash {
            session.suspects = loaded.inbox.iter().map(|record| record.envelope.id).collect();
        }
        let mut effects = Vec::new();
        for record in loaded.inbox {
            session.accept(record, now, &mut effects);
        }
        session.proceed(now, &mut effects);
        (session, effects)
    }

    /// The one entrance.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Inbound(record) => {
                self.last_used = now;
                self.accept(*record, now, &mut effects);
            }
            Event::Answered(turn, completion) => self.answered(turn, completion, now, &mut effects),
            Event::Failed(turn, failure) => self.failed(turn, failure, now, &mut effects),
            Event::Tick => {
                self.wake_at = None;
                self.ask_again(now, &mut effects);
            }
            Event::MakeRoom => self.is_leaving = true,
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
        self.turn.as_ref().map_or(0, |turn| turn.batch.ids().count())
    }

    fn accept(&mut self, record: InboxRecord, now: Timestamp, effects: &mut Vec<Effect>) {
        let waiting = Waiting {
            id: record.envelope.id,
            reply_to: record.envelope.inbound.reply_to.clone(),
            sender: record.envelope.inbound.sender.clone(),
            text: record.envelope.inbound.text.clone(),
            at: now,
        };
        match self.lane.push(waiting) {
            Pushed::Duplicate => {}
            Pushed::Queued | Pushed::Folded(_) => {
                self.records.insert(record.envelope.id, record);
            }
            Pushed::Dropped(dropped) => {
                self.records.insert(record.envelope.id, record);
                self.dead_letter([dropped.id], &Reason::Overflow, None, effects);
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
        let ids: Vec<EnvelopeId> = batch.ids().collect();
        let turn = ids.iter().map(|id| id.0).min().unwrap_or_default();
        if ids.iter().any(|id| self.suspects.contains(id)) {
            self.suspects.retain(|id| !ids.contains(id));
            let attempts = self.crashes_of(&ids) + 1;
            if attempts > CRASHES_MAX {
                let reason = Reason::Poison { attempts: attempts - 1 };
                let notice = "This message made the gateway fail several times. It was set aside \
                              for its operator; nothing else is affected.";
                self.dead_letter(ids, &reason, Some(notice.into()), effects);
                return;
            }
            let record = TurnRecord { turn, members: ids, attempts, at: now };
            self.journalled = Some(record.clone());
            effects.push(Effect::JournalAttempt(record));
        }
        let prompt = render(&batch);
        effects.push(Effect::Ask { turn, messages: self.conversation(&prompt), again: false });
        self.turn = Some(InFlight {
            turn,
            batch,
            prompt,
            started_at: now,
            tries: 1,
            ask_at: now.plus(ASK_AGAIN),
        });
    }

    /// How often a turn with any of these messages was journalled as crashed.
    fn crashes_of(&self, ids: &[EnvelopeId]) -> u32 {
        match &self.journalled {
            Some(record) if record.members.iter().any(|id| ids.contains(id)) => record.attempts,
            _ => 0,
        }
    }

    fn conversation(&self, prompt: &str) -> Vec<TurnMessage> {
        let mut messages = Vec::with_capacity(self.history.len() * 2 + 1);
        for (said, answered) in &self.history {
            messages.push(TurnMessage::text(Role::User, said));
            messages.push(TurnMessage::text(Role::Assistant, answered));
        }
        messages.push(TurnMessage::text(Role::User, prompt));
        messages
    }

    fn answered(
        &mut self,
        turn: u64,
        completion: Completion,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(done) = self.turn.take_if(|in_flight| in_flight.turn == turn) else { return };
        self.last_used = now;
        let answer = completion.plain();
        self.history.push_back((done.prompt.clone(), answer.clone()));
        if self.history.len() > HISTORY_EXCHANGES_MAX {
            self.history.pop_front();
        }
        let members: Vec<EnvelopeId> = done.batch.ids().collect();
        let said = members
            .iter()
            .filter_map(|id| self.records.remove(id))
            .map(|record| super::record::Said::from(&record))
            .collect();
        effects.push(Effect::Finish(Box::new(FinishedTurn {
            journalled: self.journalled.take().is_some(),
            members,
            exchange: Exchange {
                turn,
                said,
                prompt: done.prompt,
                answer,
                model: self.settings.model.clone(),
                usage: completion.usage,
                started_at: done.started_at,
                finished_at: now,
                reply_to: done.batch.reply_to,
                entries: Vec::new(),
            },
        })));
    }

    fn failed(&mut self, turn: u64, failure: Failure, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(in_flight) = self.turn.as_mut().filter(|t| t.turn == turn) else { return };
        if may_pass(failure.class) && in_flight.tries < PROVIDER_TRIES_MAX {
            let doublings = (in_flight.tries - 1).min(8);
            let pause = PROVIDER_PAUSE_MIN
                .saturating_mul(1 << doublings)
                .min(PROVIDER_PAUSE_MAX)
                .max(failure.retry_after.unwrap_or_default());
            in_flight.tries += 1;
            in_flight.ask_at = now.plus(pause);
            return;
        }
        let ids: Vec<EnvelopeId> = in_flight.batch.ids().collect();
        self.turn = None;
        let reason = Reason::Provider {
            class: format!("{:?}", failure.class).to_lowercase(),
            message: failure.message,
        };
        let notice = "The model provider failed, so this message has no answer yet. It is kept, \
                      and the operator of this gateway can replay it.";
        self.dead_letter(ids, &reason, Some(notice.into()), effects);
    }

    /// Asks again for a turn nobody has reported about in time.
    fn ask_again(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.ask_at <= now) else { return };
        turn.ask_at = now.plus(ASK_AGAIN);
        let (turn, prompt) = (turn.turn, turn.prompt.clone());
        effects.push(Effect::Ask { turn, messages: self.conversation(&prompt), again: true });
    }

    fn dead_letter(
        &mut self,
        ids: impl IntoIterator<Item = EnvelopeId>,
        reason: &Reason,
        notice: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        let records = ids.into_iter().filter_map(|id| self.records.remove(&id)).collect();
        effects.push(Effect::DeadLetter { records, reason: reason.clone(), notice });
    }
}

/// Whether a failure of this class may pass by itself.
fn may_pass(class: FailureClass) -> bool {
    match class {
        FailureClass::RateLimit
        | FailureClass::Overloaded
        | FailureClass::Timeout
        | FailureClass::Server
        | FailureClass::EmptyResponse => true,
        FailureClass::Auth
        | FailureClass::AuthPermanent
        | FailureClass::Billing
        | FailureClass::Format
        | FailureClass::ModelNotFound
        | FailureClass::ContextOverflow
        | FailureClass::Unclassified => false,
    }
}

impl From<&InboxRecord> for super::record::Said {
    fn from(record: &InboxRecord) -> Self {
        let inbound = &record.envelope.inbound;
        Self {
            envelope: record.envelope.id,
            platform_id: inbound.dedupe_key.clone(),
            sender: inbound.sender.clone(),
            text: inbound.text.clone(),
            sent_at: inbound.sent_at,
            admitted_at: record.envelope.admitted_at,
        }
    }
}

#[cfg(test)]
mod tests;
