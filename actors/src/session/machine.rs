//! The rules of one session: at most one turn in flight, messages of a lane answered in order, and
//! every accepted message ends answered or dead-lettered.
//!
//! Pure: events in, effects out. The actor performs the effects in the order given, and a crash may
//! interrupt it anywhere: what has to survive is in the effect that comes first.

mod answering;
mod asking;
mod compact;
mod effect;
mod event;
mod failing;
mod files;
mod handing;
mod hearing;
mod make_room;
mod steering;
mod turn;
mod waking;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::asking::ASK_AGAIN;
pub use self::effect::{Ask, Asked, Effect, FinishedTurn, Occasion};
pub use self::event::Event;
pub use self::hearing::{BeatSettings, Hearing};
pub(super) use self::hearing::{keeps_told, says_nothing};
pub use self::make_room::SUMMARY_ROUND;
pub use self::steering::prompt_of;
use self::turn::{InFlight, Past};
pub use self::waking::{CRASHES_MAX, Loaded};
use super::chain::{Chain, ChainRecord};
use super::ending::Stopped;
use super::lane::{Batch, Lane, LaneSettings, Next, Pushed, render};
use super::queue::QueueChoice;
use super::record::TurnRecord;
use super::steps::Steps;
use crate::clock::Timestamp;
use crate::context::{ContextRules, Room, Summary};
use crate::dead_letter::Reason;
use crate::inbox::InboxRecord;
use crate::message::{Destination, EnvelopeId};
use crate::model::Candidates;

/// Exchanges kept in memory and sent along as context.
pub const HISTORY_EXCHANGES_MAX: usize = 50;
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
    /// Those of them that bring tools of their client: each takes a turn alone.
    alone: BTreeSet<EnvelopeId>,
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
            Event::Handed(turn, round, completion, results) => {
                self.hand_over((turn, round), completion, results, now, &mut effects);
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

    /// Says of a message that comes next that it brings tools of its client. They are offered to its
    /// own turn alone, for their calls are handed to everybody whose message is in the turn.
    pub fn takes_alone(&mut self, id: EnvelopeId) {
        self.alone.insert(id);
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
        self.alone.retain(|id| self.records.contains_key(id));
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

    /// A message leaves the full lane without a turn.
    fn overflow(&mut self, id: EnvelopeId, effects: &mut Vec<Effect>) {
        let records = self.records.remove(&id).map(|record| *record).into_iter().collect();
        let notice = self.full_notice();
        let (reason, turn) = (Reason::Overflow, None);
        effects.push(Effect::DeadLetter { records, reason, notice, turn, told: None });
    }
}

#[cfg(test)]
pub(super) mod tests;
