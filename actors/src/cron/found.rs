//! What the store says about the message of a run.

use super::job::Run;
use super::outcome::Found;
use super::target;
use crate::channel::webchat;
use crate::dead_letter::{self, DeadLetter, Item, Reason};
use crate::inbox::{DedupeRecord, Fate, InboxRecord, dedupe_key, inbox_key, inbox_prefix};
use crate::message::{EnvelopeId, SessionKey};
use crate::session::{Exchange, exchange_key, exchange_prefix, past_prefix};
use crate::store::{Batch, Store, StoreError};

/// Exchanges of a session, and of its past lives, that are looked through for one message.
const EXCHANGES_MAX: usize = 100;

/// What is known; nothing if the run's message has not been admitted.
pub(super) async fn of_run(
    store: &Store,
    run: &Run,
    session: &SessionKey,
) -> Result<Option<Found>, StoreError> {
    let Some(message) = admitted(store, &run.run.name(&run.job))? else {
        // The window of ids has passed, or it was never admitted.
        return if target::is_of_a_run(session) {
            of_own_session(store, session)
        } else {
            Ok(None)
        };
    };
    let found = of_message(store, session, message)?;
    if found.is_waiting || (target::is_of_a_run(session) && !found.is_gone) {
        return Ok(Some(found));
    }
    // What was read may be on its way to the disk, and from one place to another; this stands behind.
    store.commit(Batch::new()).await?;
    of_message(store, session, message).map(Some)
}

/// In the order in which a message ends: what has left the inbox is in one of the other places.
fn of_message(
    store: &Store,
    session: &SessionKey,
    message: EnvelopeId,
) -> Result<Found, StoreError> {
    let mut found = Found { is_waiting: true, exchange: None, dead: None, is_gone: false };
    if store.contains(&inbox_key(session, message))? {
        return Ok(found);
    }
    found.is_waiting = false;
    found.exchange = exchange_of(store, session, message)?;
    if found.exchange.is_none() {
        found.dead = reason(store, |record| record.envelope.id == message)?;
        found.is_gone = found.dead.is_none();
    }
    Ok(found)
}

/// The number under which the message of a run was admitted.
pub(super) fn admitted(store: &Store, name: &str) -> Result<Option<EnvelopeId>, StoreError> {
    let record: Option<DedupeRecord> = store.get(&dedupe_key(&webchat::account(), name))?;
    Ok(match record.map(|record| record.fate) {
        Some(Fate::Admitted { envelope, .. }) => Some(envelope),
        Some(Fate::Declined { .. } | Fate::History) | None => None,
    })
}

/// What a session of its own holds where the number of the message is forgotten.
fn of_own_session(store: &Store, session: &SessionKey) -> Result<Option<Found>, StoreError> {
    let waiting: Vec<(_, InboxRecord)> = store.page(&inbox_prefix(session), None, 1)?;
    let is_waiting = !waiting.is_empty();
    let mut found = Found { is_waiting, exchange: None, dead: None, is_gone: false };
    if is_waiting {
        return Ok(Some(found));
    }
    let said: Vec<(_, Exchange)> = store.tail(&exchange_prefix(session), 1)?;
    found.exchange = said.into_iter().next().map(|(_, exchange)| exchange);
    if found.exchange.is_none() {
        found.dead = reason(store, |record| record.session == *session)?;
    }
    Ok(Some(found).filter(|found| found.exchange.is_some() || found.dead.is_some()))
}

fn exchange_of(
    store: &Store,
    session: &SessionKey,
    message: EnvelopeId,
) -> Result<Option<Exchange>, StoreError> {
    if let Some(own) = store.get(&exchange_key(session, message.0))? {
        return Ok(Some(own));
    }
    // Who removes a session, or begins it anew, puts away what was said, oldest first.
    for prefix in [exchange_prefix(session), past_prefix(session)] {
        let last: Vec<(_, Exchange)> = store.tail(&prefix, EXCHANGES_MAX)?;
        let mut last = last.into_iter().map(|(_, exchange)| exchange);
        let is_it = |exchange: &Exchange| exchange.said.iter().any(|said| said.envelope == message);
        if let Some(found) = last.find(is_it) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn reason(
    store: &Store,
    is_meant: impl Fn(&InboxRecord) -> bool,
) -> Result<Option<Reason>, StoreError> {
    let letters: Vec<(_, DeadLetter)> = store.scan(&dead_letter::prefix())?;
    Ok(letters.into_iter().rev().find_map(|(_, letter)| match letter.item {
        Item::Inbound(record) if is_meant(&record) => Some(letter.reason),
        Item::Inbound(_) | Item::Outbound(_) | Item::Row { .. } => None,
    }))
}
