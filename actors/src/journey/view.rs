//! A journey as it is shown.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::dead_letter::ReplayRecord;
use crate::inbox::InboxRecord;
use crate::outbox::{EntryRecord, EntryState};
use crate::session::{Exchange, Said};

/// One message, or one entry, from its beginning to where it is now.
#[derive(Debug, Clone, Serialize)]
pub struct Journey {
    /// `answered` (its answer is out), `waiting`, `declined`, `dead_letter` or `damaged`.
    pub state: &'static str,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// The message.
    pub message: Option<MessageView>,
    /// The turn that answered it.
    pub turn: Option<TurnView>,
    /// The answer's way out.
    pub entries: Vec<EntryView>,
    /// What the message was before a person put it back to work, oldest first.
    pub replayed: Vec<ReplayView>,
}

/// A replay: what a message or an entry was before.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayView {
    /// The dead letter it was, such as `d3`; there is none with this number any more.
    pub dead_letter: String,
    /// The number it had, such as `m5` or `e7`.
    pub was: String,
    /// Why it was a dead letter.
    pub reason: String,
    /// Since when.
    pub dead_since: Timestamp,
    /// When it was put back to work.
    pub at: Timestamp,
    /// How it began, if a person has changed what it says.
    pub said: Option<String>,
}

impl ReplayView {
    /// Of a number with this letter before it: `m` or `e`.
    pub(super) fn of(letter: char, replay: &ReplayRecord) -> Self {
        Self {
            dead_letter: replay.letter.to_string(),
            was: format!("{letter}{}", replay.before),
            reason: replay.reason.to_string(),
            dead_since: replay.dead_since,
            at: replay.at,
            said: replay.said.clone(),
        }
    }
}

/// A message.
#[derive(Debug, Clone, Serialize)]
pub struct MessageView {
    /// Its number, such as `m12`.
    pub id: Option<String>,
    /// The platform's id.
    pub platform_id: String,
    /// Who wrote it.
    pub sender: String,
    /// What it says.
    pub text: String,
    /// Its session.
    pub session: Option<String>,
    /// When it was written, in milliseconds since 1970.
    pub sent_at: Option<Timestamp>,
    /// When it was admitted or declined.
    pub admitted_at: Option<Timestamp>,
}

/// A turn.
#[derive(Debug, Clone, Serialize)]
pub struct TurnView {
    /// Its number.
    pub turn: u64,
    /// The model it asked.
    pub model: String,
    /// How many messages it answered together.
    pub messages: usize,
    /// When it began.
    pub started_at: Timestamp,
    /// When its answer was durable.
    pub finished_at: Timestamp,
    /// What was answered.
    pub answer: String,
}

/// An outbox entry.
#[derive(Debug, Clone, Serialize)]
pub struct EntryView {
    /// Its number, such as `e7`.
    pub id: String,
    /// `pending`, `sending`, `delivered` or `dead_letter`.
    pub state: &'static str,
    /// Where it goes.
    pub to: String,
    /// What it says.
    pub text: String,
    /// Attempts begun.
    pub attempts: u32,
    /// What they came to.
    pub notes: Vec<AttemptView>,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
    /// The platform's id of it.
    pub platform_id: Option<String>,
    /// What it was before a person put it back to work, oldest first.
    pub replayed: Vec<ReplayView>,
}

/// One attempt.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptView {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: String,
}

impl MessageView {
    pub(super) fn waiting(record: &InboxRecord) -> Self {
        let inbound = &record.envelope.inbound;
        Self {
            id: Some(record.envelope.id.to_string()),
            platform_id: inbound.dedupe_key.clone(),
            sender: inbound.sender.clone(),
            text: inbound.text.clone(),
            session: Some(record.session.to_string()),
            sent_at: Some(inbound.sent_at),
            admitted_at: Some(record.envelope.admitted_at),
        }
    }

    pub(super) fn said(said: &Said, session: &str) -> Self {
        Self {
            id: Some(said.envelope.to_string()),
            platform_id: said.platform_id.clone(),
            sender: said.sender.clone(),
            text: said.text.clone(),
            session: Some(session.to_owned()),
            sent_at: Some(said.sent_at),
            admitted_at: Some(said.admitted_at),
        }
    }
}

impl From<&Exchange> for TurnView {
    fn from(exchange: &Exchange) -> Self {
        Self {
            turn: exchange.turn,
            model: exchange.model.clone(),
            messages: exchange.said.len(),
            started_at: exchange.started_at,
            finished_at: exchange.finished_at,
            answer: exchange.answer.clone(),
        }
    }
}

impl From<&EntryRecord> for EntryView {
    fn from(entry: &EntryRecord) -> Self {
        Self {
            id: entry.id.to_string(),
            state: match entry.state {
                EntryState::Pending { .. } => "pending",
                EntryState::Sending { .. } => "sending",
            },
            to: entry.to.to_string(),
            text: entry.text.clone(),
            attempts: entry.attempts,
            notes: entry
                .notes
                .iter()
                .map(|note| AttemptView { at: note.at, outcome: note.outcome.clone() })
                .collect(),
            delivered_at: None,
            platform_id: None,
            replayed: Vec::new(),
        }
    }
}
