//! `/compact`: a turn that only has a summary written, and ends with a sentence about it.
//!
//! It is asked for again after a crash, like any message. What it had made durable by then counts:
//! there is less to sum up, or nothing.

use super::super::command::Command;
use super::super::ending::Ended;
use super::super::query::Query;
use super::steering::{Message, notice};
use super::{ASK_AGAIN, Effect, InFlight, Session};
use crate::clock::Timestamp;
use crate::context::{Room, split};
use crate::inbox::InboxRecord;
use crate::session::query::Facts;
use crate::session::steps::Steps;

impl Session {
    /// Sums up the older part of the conversation. Nothing is given back to wait.
    pub(super) fn compact(
        &mut self,
        record: Box<InboxRecord>,
        focus: String,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Message> {
        if self.turn.is_some() {
            let text = "An answer is being made. Send /compact once it is there, or /stop first.";
            return self.say(record, text, now, effects);
        }
        let exchanges = split(&self.history, &self.settings.context, 0);
        if exchanges == 0 {
            let text = format!(
                "There is nothing to sum up: the newest {} exchanges stay as they are.",
                self.history.len()
            );
            return self.say(record, &text, now, effects);
        }
        let (id, reply_to) = (record.envelope.id, record.envelope.inbound.reply_to.clone());
        let members = self.hold(Some(record)).collect();
        let turn = InFlight {
            turn: id.0,
            members,
            prompt: String::new(),
            reply_to,
            started_at: now,
            steps: Steps::default(),
            chain: self.chain_of(id.0, false),
            asks: 0,
            room: Room::compacting(exchanges),
            compacts: Some(focus),
            ask_at: now.plus(ASK_AGAIN),
        };
        self.start(Box::new(turn), effects, now);
        None
    }

    /// Exchanges that the summary which is being written will stand for.
    pub fn summing_up(&self) -> Option<usize> {
        Some(self.turn.as_ref()?.room.job.as_ref()?.exchanges)
    }

    pub(super) fn is_compacting(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.compacts.is_some())
    }

    /// Ends such a turn with a sentence.
    pub(super) fn end_compaction(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.take() else { return };
        let (members, now) = (turn.members.clone(), self.last_used);
        let Some(exchange) = self.aside(text, members.clone(), now) else { return };
        let notices = vec![notice(&turn.reply_to, text)];
        (self.journalled, self.chain) = (None, None);
        let is_clean = true;
        self.end(Ended { exchange, members, turn: None, is_clean, notices, queue: None }, effects);
    }

    /// The sentence about a summary that will do.
    pub(super) fn compacted_text(&self) -> String {
        let summed_up = self.summary.as_ref().map_or(0, |summary| summary.exchanges);
        format!(
            "Done: a summary stands for {summed_up} older exchanges; the newest {} stay as they \
             are. Nothing is lost.",
            self.history.len()
        )
    }

    /// Answers a command by itself. Nothing is given back to wait.
    pub(super) fn say(
        &mut self,
        record: Box<InboxRecord>,
        text: &str,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Message> {
        let ended = self.reply(record, text, now)?;
        self.end(ended, effects);
        None
    }

    /// Has a question answered by the actor, which knows more. Nothing is given back to wait.
    pub(super) fn answer_query(
        &mut self,
        record: Box<InboxRecord>,
        query: Query,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Message> {
        let ended = self.reply(record, "", now)?;
        let facts = Box::new(self.facts());
        for id in &ended.members {
            self.records.remove(id);
        }
        effects.push(Effect::Answer { query, facts, ended: Box::new(ended) });
        None
    }

    fn reply(&mut self, record: Box<InboxRecord>, text: &str, now: Timestamp) -> Option<Ended> {
        let to = record.envelope.inbound.reply_to.clone();
        let members: Vec<_> = self.hold(Some(record)).collect();
        let exchange = self.aside(text, members.clone(), now)?;
        let notices = vec![notice(&to, text)];
        Some(Ended { exchange, members, turn: None, is_clean: false, notices, queue: None })
    }

    fn facts(&self) -> Facts {
        let in_flight = self.members_in_flight();
        let is_command = |record: &InboxRecord| Command::parse(&record.envelope.inbound.text);
        let waiting = self.records.values().filter(|record| is_command(record).is_none()).count();
        let tokens = self.history.iter().map(crate::context::Past::tokens);
        Facts {
            models: self.settings.model.iter().map(ToString::to_string).collect(),
            queue: self.lane.settings().to_string(),
            is_running: self.turn.is_some(),
            waiting: waiting.saturating_sub(in_flight),
            exchanges: self.history.len(),
            tokens: tokens.fold(0, u64::saturating_add),
            summed_up: self.summary.as_ref().map_or(0, |summary| summary.exchanges),
        }
    }
}
