//! Messages that do more than wait for their turn: they steer, interrupt or stop the running one, or
//! are commands to the gateway.

use super::super::command::Command;
use super::super::ending::{
    Asker, Ended, EndedTurn, INTERRUPTED, Notice, STOPPED, Stopped, unknown_outcome,
};
use super::super::lane::{Batch, Mode, Waiting, render};
use super::super::queue::QueueChoice;
use super::super::record::{Exchange, Said};
use super::super::steps::{Steered, StepRecord};
use super::turn::Past;
use super::{Effect, HISTORY_EXCHANGES_MAX, InFlight, Session};
use crate::channel::webchat;
use crate::clock::Timestamp;
use crate::heartbeat::is_beat;
use crate::inbox::InboxRecord;
use crate::message::{Destination, EnvelopeId, Inbound};
use crate::provider::Usage;
use crate::system_event::defused;

/// The answer to a stop that stops nothing.
const NOTHING: &str = "Nothing is running.";

pub(super) type Message = (Box<InboxRecord>, Waiting);

impl Session {
    /// The turn in flight, and where its answer is awaited.
    pub fn awaited(&self) -> Option<(u64, &Destination)> {
        self.turn.as_ref().map(|turn| (turn.turn, &turn.reply_to))
    }

    /// Obeys a message that is a command, and interrupts the running turn for one that wants it.
    /// Gives back what has to wait in the lane.
    pub(super) fn obey(
        &mut self,
        record: Box<InboxRecord>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Message> {
        let mut message = waiting(&record, now);
        if self.lane.knows(message.id) {
            return None;
        }
        message.is_alone = self.alone.contains(&message.id);
        match Command::parse(&message.text) {
            Some(Command::Stop) => return self.stop(Some(record), now, effects),
            Some(Command::StopWord) if !self.is_idle() => {
                return self.stop(Some(record), now, effects);
            }
            Some(Command::Show) => return self.choose(record, Ok(self.queue), now, effects),
            Some(Command::Reset) => {
                return self.choose(record, Ok(QueueChoice::default()), now, effects);
            }
            Some(Command::Choose(choice)) => {
                return self.choose(record, Ok(self.queue.and(choice)), now, effects);
            }
            Some(Command::Compact(focus)) => return self.compact(record, focus, now, effects),
            Some(Command::Ask(query)) => return self.answer_query(record, query, now, effects),
            Some(Command::Wrong(wrong)) => return self.choose(record, Err(wrong), now, effects),
            Some(Command::Once(mode, text)) => {
                (message.mode, message.text) = (Some(mode), text);
            }
            Some(Command::StopWord) | None => {}
        }
        if self.lane.mode_of(&message) == Mode::Interrupt {
            self.interrupt(&message.reply_to, now, effects);
        }
        Some((record, message))
    }

    /// At a boundary of the running turn: puts into it what waits for that.
    pub(super) fn steer(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.as_mut() else { return };
        // Calls of a client's tools may be handed over, and whoever joins gets them too; what a job
        // asks is answered by itself, so that its end is nobody else's.
        let is_of_a_job =
            |id| self.records.get(id).is_some_and(|it| is_of_a_job(&it.envelope.inbound));
        if turn.members.iter().any(|id| self.alone.contains(id) || is_of_a_job(id)) {
            return;
        }
        let Some(batch) = self.lane.steer(&turn.reply_to) else { return };
        let text = render(&batch);
        let steered = Steered { members: batch.ids().collect(), text };
        turn.members.extend(&steered.members);
        if let Some(step) = turn.steps.steer(steered.clone()) {
            let record = Box::new(StepRecord::Steered(steered));
            effects.push(Effect::Record { turn: turn.turn, step, record });
            self.journalled = None;
        }
    }

    /// Ends everything for somebody who is not in the conversation.
    pub(super) fn stop_for(&mut self, asker: Asker, now: Timestamp, effects: &mut Vec<Effect>) {
        let turn = self.turn_in_flight();
        let messages = self.records.len();
        if messages > 0 {
            self.stop(None, now, effects);
        }
        effects.push(Effect::Stopped(asker, Stopped { turn, messages }));
    }

    /// Ends one message for somebody who is not in the conversation: the turn that answers it, or its
    /// waiting.
    pub(super) fn stop_message(
        &mut self,
        id: EnvelopeId,
        asker: Asker,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let stopped = match self.turn.take_if(|turn| turn.members.contains(&id)) {
            Some(turn) => {
                let notices = stop_notices(None, Some(&turn), &[]);
                let members = turn.members.clone();
                let stopped = Stopped { turn: Some(turn.turn), messages: members.len() };
                let exchange = self.exchange_of(&turn, STOPPED, members.clone(), now);
                let (turn, queue) = (Some(ended(&turn)), None);
                self.end(
                    Ended { exchange, members, turn, is_clean: true, notices, queue },
                    effects,
                );
                stopped
            }
            None => self.stop_waiting(id, now, effects),
        };
        effects.push(Effect::Stopped(asker, stopped));
    }

    fn stop_waiting(
        &mut self,
        id: EnvelopeId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Stopped {
        let Some(waited) = self.lane.remove(id) else { return Stopped::default() };
        let Some(exchange) = self.aside(STOPPED, vec![id], now) else { return Stopped::default() };
        let (members, notices) = (vec![id], stop_notices(None, None, &[waited]));
        let (turn, is_clean, queue) = (None, false, None);
        self.end(Ended { exchange, members, turn, is_clean, notices, queue }, effects);
        Stopped { turn: None, messages: 1 }
    }

    /// What the person whose message the full lane drops is told: the first time, until a turn
    /// begins. All of them are dead letters.
    pub(super) fn full_notice(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.told_full, true) {
            return None;
        }
        Some(format!(
            "More than {} of your messages wait, so some were set aside without an answer. They are \
             kept, and the operator of this gateway can replay them.",
            self.lane.settings().cap.max(1)
        ))
    }

    /// The turn for this destination ends, because a newer message takes its place.
    fn interrupt(&mut self, to: &Destination, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.take_if(|turn| turn.reply_to == *to) else { return };
        let unknown = unknown_outcome(&unknown_tools(&turn));
        let notices = match unknown.trim_start() {
            "" => Vec::new(),
            _ => vec![notice(to, format!("I left my answer for your newer message.{unknown}"))],
        };
        let members = turn.members.clone();
        let exchange = self.exchange_of(&turn, INTERRUPTED, members.clone(), now);
        self.end(
            Ended {
                exchange,
                members,
                turn: Some(ended(&turn)),
                is_clean: true,
                notices,
                queue: None,
            },
            effects,
        );
    }

    /// The running turn ends and what waits is dropped: all that came before the command. Who is
    /// concerned is told. Nothing is given back to wait.
    fn stop(
        &mut self,
        command: Option<Box<InboxRecord>>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Message> {
        let (turn, cleared) = (self.turn.take(), self.lane.clear());
        let asked_by = command.as_ref().map(|record| record.envelope.inbound.reply_to.clone());
        let notices = stop_notices(asked_by, turn.as_deref(), &cleared);
        let mut members = turn.as_ref().map_or_else(Vec::new, |turn| turn.members.clone());
        members.extend(cleared.iter().map(|message| message.id));
        members.extend(self.hold(command));
        let exchange = match &turn {
            Some(turn) => self.exchange_of(turn, STOPPED, members.clone(), now),
            None if cleared.is_empty() => self.aside(NOTHING, members.clone(), now)?,
            None => self.aside(STOPPED, members.clone(), now)?,
        };
        let turn = turn.as_deref().map(ended);
        (self.journalled, self.chain) = (None, None);
        let is_clean = true;
        self.end(Ended { exchange, members, turn, is_clean, notices, queue: None }, effects);
        None
    }

    /// Changes or tells how the session queues. Nothing is given back to wait.
    fn choose(
        &mut self,
        record: Box<InboxRecord>,
        choice: Result<QueueChoice, String>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Message> {
        let to = record.envelope.inbound.reply_to.clone();
        let queue = choice.as_ref().ok().filter(|choice| **choice != self.queue).copied();
        self.queue = queue.unwrap_or(self.queue);
        let settings = self.queue.over(self.settings.lane);
        self.lane.set(settings);
        let text = match choice {
            Ok(_) => format!("Queue: {settings}"),
            Err(wrong) => format!(
                "{wrong}. Try /queue steer, followup, collect or interrupt, with debounce:2s, cap:20 \
                 or drop:summarize; /queue default goes back."
            ),
        };
        let members: Vec<EnvelopeId> = self.hold(Some(record)).collect();
        let exchange = self.aside(&text, members.clone(), now)?;
        let notices = vec![notice(&to, text)];
        self.end(Ended { exchange, members, turn: None, is_clean: false, notices, queue }, effects);
        None
    }

    /// Keeps a command among the messages until it ends.
    pub(super) fn hold(
        &mut self,
        command: Option<Box<InboxRecord>>,
    ) -> impl Iterator<Item = EnvelopeId> {
        let id = command.as_ref().map(|record| record.envelope.id);
        if let Some(record) = command {
            self.lane.mark_left(record.envelope.id);
            self.records.insert(record.envelope.id, record);
        }
        id.into_iter()
    }

    pub(super) fn end(&mut self, ended: Ended, effects: &mut Vec<Effect>) {
        for id in &ended.members {
            self.records.remove(id);
        }
        if ended.turn.is_some() {
            (self.journalled, self.chain) = (None, None);
        }
        if ended.is_clean {
            self.hearing.end();
        }
        if !ended.exchange.is_of_gateway() {
            self.history.push_back(Past::from(ended.exchange.clone()));
            if self.history.len() > HISTORY_EXCHANGES_MAX {
                self.history.pop_front();
            }
        }
        effects.push(Effect::End(Box::new(ended)));
    }

    /// What the transcript keeps of a turn without an answer. Open calls are in it as unknown.
    fn exchange_of(
        &self,
        turn: &InFlight,
        answer: &str,
        members: Vec<EnvelopeId>,
        now: Timestamp,
    ) -> Exchange {
        Exchange {
            turn: turn.turn,
            said: self.said(members),
            prompt: turn.prompt.clone(),
            steps: turn.steps.messages(),
            answer: answer.to_owned(),
            // A summary is no part of the conversation.
            model: turn
                .compacts
                .as_ref()
                .map_or_else(|| turn.chain.model().to_string(), |_| String::new()),
            usage: turn.steps.usage(),
            started_at: turn.started_at,
            finished_at: now,
            reply_to: turn.reply_to.clone(),
            entries: Vec::new(),
        }
    }

    /// What the transcript keeps of messages no model has seen.
    pub(super) fn aside(
        &self,
        answer: &str,
        members: Vec<EnvelopeId>,
        now: Timestamp,
    ) -> Option<Exchange> {
        let first = members.iter().min()?;
        Some(Exchange {
            turn: first.0,
            reply_to: self.records.get(first)?.envelope.inbound.reply_to.clone(),
            said: self.said(members),
            prompt: String::new(),
            steps: Vec::new(),
            answer: answer.to_owned(),
            model: String::new(),
            usage: Usage::default(),
            started_at: now,
            finished_at: now,
            entries: Vec::new(),
        })
    }

    fn said(&self, members: Vec<EnvelopeId>) -> Vec<Said> {
        let records = members.into_iter().filter_map(|id| self.records.get(&id));
        records.map(|record| Said::from(&**record)).collect()
    }
}

/// What the model is asked about these messages together.
pub fn prompt_of<'a>(records: impl Iterator<Item = &'a InboxRecord>) -> String {
    let said = |record: &InboxRecord| {
        let mut message = waiting(record, record.envelope.admitted_at);
        if let Some(Command::Once(_, text)) = Command::parse(&message.text) {
            message.text = text;
        }
        message
    };
    let members: Vec<Waiting> = records.map(said).collect();
    let Some(reply_to) = members.first().map(|first| first.reply_to.clone()) else {
        return String::new();
    };
    render(&Batch { members, folded: Vec::new(), reply_to })
}

/// A message as the lane sees it.
fn waiting(record: &InboxRecord, now: Timestamp) -> Waiting {
    let inbound = &record.envelope.inbound;
    Waiting {
        id: record.envelope.id,
        reply_to: inbound.reply_to.clone(),
        sender: inbound.sender.clone(),
        text: if is_of_a_job(inbound) {
            inbound.text.clone()
        } else {
            defused(&inbound.text).into_owned()
        },
        at: now,
        // Heartbeats and jobs join and interrupt nobody.
        mode: (is_beat(inbound) || is_of_a_job(inbound)).then_some(Mode::Followup),
        is_alone: false,
    }
}

/// Whether a job says it, in the gateway's own words. Only a job's message has such a key: those of
/// clients begin otherwise, and those of platforms are of other accounts.
fn is_of_a_job(inbound: &Inbound) -> bool {
    let is_run = |key: &str| key.starts_with("cron:") || key.starts_with("manual:");
    inbound.account == webchat::account() && is_run(&inbound.dedupe_key)
}

fn ended(turn: &InFlight) -> EndedTurn {
    let model = turn.chain.model().clone();
    EndedTurn { turn: turn.turn, steps: turn.steps.ids(), model }
}

pub(super) fn notice(to: &Destination, text: impl Into<String>) -> Notice {
    Notice { to: to.clone(), text: text.into() }
}

/// Tools that run or were cut off before: nobody knows what became of their calls.
fn unknown_tools(turn: &InFlight) -> Vec<String> {
    let open = turn.steps.open_calls().into_iter().map(|(_, call)| call.name);
    let mut names: Vec<String> = turn.steps.unknown_tools().into_iter().map(Into::into).collect();
    names.extend(open);
    names.sort_unstable();
    names.dedup();
    names
}

/// One for whoever stopped, and one for everybody else who waited for an answer.
fn stop_notices(
    asked_by: Option<Destination>,
    turn: Option<&InFlight>,
    cleared: &[Waiting],
) -> Vec<Notice> {
    let unknown = turn.map(unknown_tools).unwrap_or_default();
    let unknown = unknown_outcome(&unknown);
    let dropped = match cleared.len() {
        0 => String::new(),
        1 => " One waiting message was dropped.".into(),
        many => format!(" {many} waiting messages were dropped."),
    };
    let mut notices = Vec::new();
    if let Some(to) = &asked_by {
        let what = match (turn, cleared) {
            (None, []) => NOTHING,
            _ => "Stopped.",
        };
        notices.push(notice(to, format!("{what}{unknown}{dropped}")));
    }
    let who = if asked_by.is_some() { "somebody in this session" } else { "its operator" };
    let waited = turn.iter().map(|turn| &turn.reply_to);
    for to in waited.chain(cleared.iter().map(|message| &message.reply_to)) {
        if notices.iter().all(|notice| notice.to != *to) {
            let text = format!("This was stopped by {who} before it was answered.{unknown}");
            notices.push(notice(to, text));
        }
    }
    notices
}
