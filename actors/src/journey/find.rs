//! Finding journeys by a message's number, an entry's number, a platform id, a session, or a piece of
//! text.

use super::view::{EntryView, Journey, MessageView, ReplayView, TurnView};
use super::way::way;
use std::collections::HashSet;

use crate::dead_letter::{self, DeadLetter, Item, Replays};
use crate::event::excerpt;
use crate::inbox::{DedupeRecord, Fate, InboxRecord};
use crate::message::SessionKey;
use crate::outbox::{EntryRecord, ReceiptRecord, receipt_prefix};
use crate::provider::failover::in_words;
use crate::session::Exchange;
use crate::session::chain::{Attempt, ChainRecord, chain_key};
use crate::store::{Key, Space, Store, StoreError};

/// Finds all journeys that `query` names, newest first. This reads the whole journal: it is meant
/// for a person's question, not for a program's loop.
///
/// # Errors
/// A damaged record, named with its key.
pub fn find(store: &Store, query: &str) -> Result<Vec<Journey>, StoreError> {
    let replays = Replays::read(store)?;
    let query = Query::parse(query).joined(&replays);
    let mut journeys = answered(store, &query)?;
    journeys.extend(waiting(store, &query)?);
    // A reply that is told with its message needs no journey of its own.
    let told: HashSet<String> =
        journeys.iter().flat_map(|journey| &journey.entries).map(|e| e.id.clone()).collect();
    let mut dead = dead(store, &query)?;
    dead.retain(|journey| journey.entries.iter().all(|entry| !told.contains(&entry.id)));
    journeys.extend(dead);
    journeys.extend(declined(store, &query)?);
    journeys.extend(damaged(store, &query)?);
    if journeys.is_empty() {
        journeys.extend(lone_entries(store, &query)?);
    }
    for journey in &mut journeys {
        tell_replays(journey, &replays);
    }
    Ok(journeys)
}

/// Says of a message and of its entries what they were before.
fn tell_replays(journey: &mut Journey, replays: &Replays) {
    let before = |letter: char, id: &str| -> Vec<ReplayView> {
        let number = id.strip_prefix(letter).and_then(|number| number.parse().ok());
        let before = number.map(|number| replays.before(number)).unwrap_or_default();
        before.into_iter().map(|replay| ReplayView::of(letter, replay)).collect()
    };
    if let Some(id) = journey.message.as_ref().and_then(|message| message.id.as_deref()) {
        journey.replayed = before('m', id);
    }
    for entry in &mut journey.entries {
        entry.replayed = before('e', &entry.id);
    }
}

/// What is looked for.
struct Query {
    /// The numbers of one message: more than one if it was replayed.
    message: Vec<u64>,
    /// Those of one entry.
    entry: Vec<u64>,
    letter: Option<u64>,
    session: Option<SessionKey>,
    text: String,
}

impl Query {
    fn parse(query: &str) -> Self {
        let query = query.trim();
        let number = |prefix: char| query.strip_prefix(prefix).and_then(|rest| rest.parse().ok());
        Self {
            message: number('m').into_iter().collect(),
            entry: number('e').into_iter().collect(),
            letter: number('d'),
            session: SessionKey::parse(query).ok(),
            text: query.to_lowercase(),
        }
    }

    /// What was replayed is one thing, whichever of its numbers is named.
    fn joined(self, replays: &Replays) -> Self {
        let family = |numbers: &[u64]| -> Vec<u64> {
            numbers.iter().flat_map(|number| replays.family(*number)).collect()
        };
        let (mut message, mut entry) = (family(&self.message), family(&self.entry));
        if let Some(number) = self.letter.and_then(|letter| replays.of_letter(letter)) {
            // Messages and entries never have the same number.
            message = replays.family(number);
            entry.clone_from(&message);
        }
        Self { message, entry, ..self }
    }

    fn names_number(&self) -> bool {
        !self.message.is_empty() || !self.entry.is_empty() || self.letter.is_some()
    }

    fn matches_message(&self, id: u64, platform_id: &str, text: &str) -> bool {
        if self.names_number() {
            return self.message.contains(&id);
        }
        platform_id.to_lowercase() == self.text || self.matches_text(text)
    }

    /// Whether a whole session is looked for, and this is it.
    fn names_session(&self, session: &str) -> bool {
        self.session.as_ref().is_some_and(|named| named.as_str() == session)
    }

    fn matches_text(&self, text: &str) -> bool {
        !self.text.is_empty() && text.to_lowercase().contains(&self.text)
    }
}

fn answered(store: &Store, query: &Query) -> Result<Vec<Journey>, StoreError> {
    let mut journeys = Vec::new();
    for (key, exchange) in store.scan::<Exchange>(&Key::of(Space::Transcript))? {
        let by_entry = exchange.entries.iter().any(|entry| query.entry.contains(entry));
        let session = session_of(&key);
        let by_session = query.names_session(&session);
        for said in &exchange.said {
            let by_message = query.matches_message(said.envelope.0, &said.platform_id, &said.text);
            if !by_entry && !by_message && !by_session {
                continue;
            }
            let way = way(store, &exchange)?;
            journeys.push(Journey {
                state: way.state,
                reason: way.reason,
                message: Some(MessageView::said(said, &session)),
                turn: Some(TurnView::from(&exchange)),
                entries: way.entries,
                replayed: Vec::new(),
            });
        }
    }
    journeys.sort_by_key(|journey| journey.turn.as_ref().map(|turn| turn.finished_at));
    journeys.reverse();
    Ok(journeys)
}

fn waiting(store: &Store, query: &Query) -> Result<Vec<Journey>, StoreError> {
    let records = store.scan::<InboxRecord>(&Key::of(Space::Inbox))?;
    records
        .iter()
        .map(|(_, record)| record)
        .filter(|record| {
            let inbound = &record.envelope.inbound;
            query.matches_message(record.envelope.id.0, &inbound.dedupe_key, &inbound.text)
                || query.names_session(record.session.as_str())
        })
        .map(|record| {
            let tried: Option<ChainRecord> = store.get(&chain_key(&record.session))?;
            Ok(Journey {
                state: "waiting",
                reason: Some(in_waiting(tried.as_ref())),
                message: Some(MessageView::waiting(record)),
                turn: None,
                entries: Vec::new(),
                replayed: Vec::new(),
            })
        })
        .collect()
}

/// What a message waits for.
fn in_waiting(tried: Option<&ChainRecord>) -> String {
    let mut said = "admitted, not answered yet".to_owned();
    if let Some(tried) = tried.filter(|tried| !tried.attempts.is_empty()) {
        for Attempt { model, times, class, message, .. } in &tried.attempts {
            let why = in_words(*class);
            let often = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
            said.push_str(&format!("; {model} has failed {often} ({why}: {message})"));
        }
        said.push_str(&format!("; {} is asked again after a pause", tried.model));
    }
    said
}

fn dead(store: &Store, query: &Query) -> Result<Vec<Journey>, StoreError> {
    let letters = store.scan::<DeadLetter>(&dead_letter::prefix())?;
    Ok(letters
        .into_iter()
        .map(|(_, letter)| letter)
        .filter(|letter| {
            query.letter == Some(letter.id.0)
                || match &letter.item {
                    Item::Inbound(record) => {
                        let inbound = &record.envelope.inbound;
                        let id = record.envelope.id.0;
                        query.matches_message(id, &inbound.dedupe_key, &inbound.text)
                            || query.names_session(record.session.as_str())
                    }
                    Item::Outbound(entry) => {
                        query.entry.contains(&entry.id.0)
                            || query.names_session(entry.session.as_str())
                            || (!query.names_number() && query.matches_text(&entry.text))
                    }
                    Item::Row { platform_id, .. } => platform_id.to_lowercase() == query.text,
                }
        })
        .map(dead_journey)
        .collect())
}

pub(super) fn dead_journey(letter: DeadLetter) -> Journey {
    let mut journey = Journey {
        state: "dead_letter",
        reason: Some(format!("{}: {}", letter.id, letter.reason)),
        message: None,
        turn: None,
        entries: Vec::new(),
        replayed: Vec::new(),
    };
    match letter.item {
        Item::Inbound(record) => journey.message = Some(MessageView::waiting(&record)),
        Item::Outbound(entry) => {
            journey.entries.push(EntryView { state: "dead_letter", ..EntryView::from(&*entry) });
        }
        Item::Row { platform_id, .. } => {
            journey.message = Some(MessageView {
                id: None,
                platform_id,
                sender: String::new(),
                text: String::new(),
                session: None,
                sent_at: None,
                admitted_at: Some(letter.at),
            });
        }
    }
    journey
}

fn declined(store: &Store, query: &Query) -> Result<Vec<Journey>, StoreError> {
    if query.names_number() {
        return Ok(Vec::new());
    }
    let mut journeys = Vec::new();
    for (key, record) in store.scan::<DedupeRecord>(&Key::of(Space::Dedupe))? {
        let platform_id = last_text(&key);
        let Fate::Declined { reason, sender, excerpt } = record.fate else { continue };
        if platform_id.to_lowercase() == query.text || query.matches_text(&excerpt) {
            journeys.push(Journey {
                state: "declined",
                reason: Some(reason),
                message: Some(MessageView {
                    id: None,
                    platform_id,
                    sender,
                    text: excerpt,
                    session: None,
                    sent_at: None,
                    admitted_at: Some(record.at),
                }),
                turn: None,
                entries: Vec::new(),
                replayed: Vec::new(),
            });
        }
    }
    Ok(journeys)
}

/// Records nobody can read whole any more, by what can still be read of them.
fn damaged(store: &Store, query: &Query) -> Result<Vec<Journey>, StoreError> {
    let found = store.damaged()?.into_iter().filter(|damaged| {
        damaged.id() == query.text || (!query.names_number() && query.matches_text(&damaged.text()))
    });
    Ok(found
        .map(|damaged| Journey {
            state: "damaged",
            reason: Some(format!(
                "the record of this {} is damaged; see `telson dead-letters show {}`",
                damaged.kind(),
                damaged.id()
            )),
            message: Some(MessageView {
                id: None,
                platform_id: String::new(),
                sender: damaged.place(),
                text: excerpt(&damaged.text()),
                session: None,
                sent_at: None,
                admitted_at: None,
            }),
            turn: None,
            entries: Vec::new(),
            replayed: Vec::new(),
        })
        .collect())
}

/// Entries that answer no message in the transcript, such as notices and pairing codes.
fn lone_entries(store: &Store, query: &Query) -> Result<Vec<Journey>, StoreError> {
    let matches = |entry: &EntryRecord| {
        query.entry.contains(&entry.id.0)
            || (!query.names_number() && query.matches_text(&entry.text))
    };
    let mut found = Vec::new();
    for (_, entry) in store.scan::<EntryRecord>(&Key::of(Space::Outbox))? {
        if matches(&entry) {
            found.push(EntryView::from(&entry));
        }
    }
    for (_, receipt) in store.scan::<ReceiptRecord>(&receipt_prefix())? {
        if matches(&receipt.entry) {
            found.push(delivered(&receipt));
        }
    }
    Ok(found
        .into_iter()
        .map(|entry| Journey {
            state: if entry.state == "delivered" { "answered" } else { "waiting" },
            reason: None,
            message: None,
            turn: None,
            entries: vec![entry],
            replayed: Vec::new(),
        })
        .collect())
}

pub(super) fn delivered(receipt: &ReceiptRecord) -> EntryView {
    EntryView {
        state: "delivered",
        delivered_at: Some(receipt.at),
        platform_id: Some(receipt.receipt.platform_id.clone()),
        ..EntryView::from(&receipt.entry)
    }
}

/// The session in a transcript key: the only text part.
fn session_of(key: &Key) -> String {
    let bytes = key.as_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(1..end).unwrap_or_default()).into_owned()
}

/// The last text part of a key.
fn last_text(key: &Key) -> String {
    let bytes = key.as_bytes();
    let end = bytes.len().saturating_sub(1);
    let start = bytes[..end].iter().rposition(|byte| *byte == 0).map_or(1, |at| at + 1);
    String::from_utf8_lossy(bytes.get(start..end).unwrap_or_default()).into_owned()
}
