//! Whose a message of web chat is: an answer of its session, or something that came from elsewhere.

use crate::channel::webchat::{ChatRecord, destination};
use crate::message::SessionKey;
use crate::outbox::{EntryId, EntryRecord, ReceiptRecord, entry_key, receipt_key};
use crate::store::{Store, StoreError};

/// Where a message of web chat comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A turn of its own session, by number.
    Turn(u64),
    /// Another session, such as that of a job, or the gateway itself.
    Elsewhere(SessionKey),
    /// Somebody has put it there by hand.
    Hand,
    /// That is not on record any more.
    Forgotten,
}

/// Finds out.
///
/// # Errors
/// What the store says.
pub fn origin(store: &Store, record: &ChatRecord) -> Result<Origin, StoreError> {
    let Some(id) = record.entry.map(EntryId) else { return Ok(Origin::Hand) };
    let Ok(session) = SessionKey::parse(&record.session) else { return Ok(Origin::Forgotten) };
    // The entry ends in the commit that writes its receipt, so one of them is found.
    let waits: Option<EntryRecord> = store.get(&entry_key(&destination(&session), id))?;
    let entry = match waits {
        Some(entry) => Some(entry),
        None => store.get::<ReceiptRecord>(&receipt_key(id))?.map(|receipt| receipt.entry),
    };
    Ok(match entry {
        Some(entry) if entry.session == session && entry.turn > 0 => Origin::Turn(entry.turn),
        Some(entry) => Origin::Elsewhere(entry.session),
        None => Origin::Forgotten,
    })
}
