//! The beginning of a session's life: what the store shows is taken up where the life before left it.
//!
//! A turn with recorded steps goes on behind the last of them (D7). Messages that may have been in
//! flight when a life ended without order are suspects: their turns are counted, and after the last
//! try they are set aside.

use std::collections::{BTreeMap, BTreeSet};

use super::super::chain::ChainRecord;
use super::super::lane::Lane;
use super::super::queue::QueueChoice;
use super::super::record::{Exchange, TurnRecord};
use super::super::steps::{Opening, Steps};
use super::turn::{InFlight, remembered};
use super::{ASK_AGAIN, Effect, Hearing, Session, Settings};
use crate::clock::Timestamp;
use crate::context::{Room, Summary};
use crate::dead_letter::Reason;
use crate::heartbeat::is_beat;
use crate::inbox::InboxRecord;
use crate::message::EnvelopeId;

/// Crashes of one turn before its messages are poison.
pub const CRASHES_MAX: u32 = 3;

/// What a session finds in the store when it starts.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Unanswered messages in order of admission.
    pub inbox: Vec<InboxRecord>,
    /// Those of them that bring tools of their client.
    pub alone: BTreeSet<EnvelopeId>,
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
            alone: loaded.alone,
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

    fn restore(&mut self, record: InboxRecord, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some((record, waiting)) = self.obey(Box::new(record), now, effects) else { return };
        let pushed = self.lane.restore(waiting);
        self.take(record, pushed, effects);
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

    /// Counts the try of a turn that may have ended a life; `None` if it had its last. What is to be
    /// done about it comes first in `effects`.
    pub(super) fn suspected(
        &mut self,
        turn: Box<InFlight>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Box<InFlight>> {
        let ids = turn.members.clone();
        if !ids.iter().any(|id| self.suspects.contains(id)) {
            return Some(turn);
        }
        self.suspects.retain(|id| !ids.contains(id));
        let attempts = self.crashes_of(&ids) + 1;
        if attempts > CRASHES_MAX {
            let reason = Reason::Poison { attempts: attempts - 1 };
            let notice = "This message made the gateway fail several times. It was set aside \
                          for its operator; nothing else is affected.";
            self.turn = Some(turn);
            self.give_up(&reason, notice, effects);
            return None;
        }
        let record = TurnRecord { turn: turn.turn, members: ids, attempts, at: now };
        self.journalled = Some(record.clone());
        effects.push(Effect::JournalAttempt(record));
        Some(turn)
    }

    /// How often a turn with any of these messages was journalled as crashed.
    fn crashes_of(&self, ids: &[EnvelopeId]) -> u32 {
        match &self.journalled {
            Some(record) if record.members.iter().any(|id| ids.contains(id)) => record.attempts,
            _ => 0,
        }
    }
}
