//! How a single message has ended, for programs that wait for it.

use crate::dead_letter::{self, DeadLetter, Item, Replays};
use crate::inbox::inbox_key;
use crate::message::{EnvelopeId, SessionKey};
use crate::session::{Exchange, exchange_key, exchange_prefix};
use crate::store::{Store, StoreError};

/// Exchanges looked through, newest first, for a message that was answered together with an older
/// one: first few, then many.
const LOOKED_THROUGH: [usize; 2] = [32, 1024];

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It waits for its answer, or is being answered.
    Waiting,
    /// It is in the transcript, answered or ended.
    Told(Box<Exchange>),
    /// It was set aside.
    Dead(Box<DeadLetter>),
    /// It has ended, and nobody knows any more how.
    Forgotten,
}

/// Finds how a message that was admitted has ended.
///
/// # Errors
/// What the store says.
pub fn ending(store: &Store, session: &SessionKey, id: EnvelopeId) -> Result<Ending, StoreError> {
    // First: the commit that removes it from here shows its end.
    if store.contains(&inbox_key(session, id))? {
        return Ok(Ending::Waiting);
    }
    let holds = |exchange: &Exchange| exchange.said.iter().any(|said| said.envelope == id);
    let own: Option<Exchange> = store.get(&exchange_key(session, id.0))?;
    if let Some(exchange) = own.filter(holds) {
        return Ok(Ending::Told(Box::new(exchange)));
    }
    for limit in LOOKED_THROUGH {
        let exchanges = store.tail::<Exchange>(&exchange_prefix(session), limit)?;
        let is_all = exchanges.len() < limit;
        if let Some((_, exchange)) = exchanges.into_iter().rev().find(|(_, it)| holds(it)) {
            return Ok(Ending::Told(Box::new(exchange)));
        }
        if is_all {
            break;
        }
    }
    let is_it = |letter: &DeadLetter| matches!(&letter.item, Item::Inbound(record) if record.envelope.id == id);
    let letters = store.scan::<DeadLetter>(&dead_letter::prefix())?;
    if let Some(letter) = letters.into_iter().map(|(_, letter)| letter).find(is_it) {
        return Ok(Ending::Dead(Box::new(letter)));
    }
    // Put back to work it goes on under another number.
    match Replays::read(store)?.next(id.0).filter(|next| *next > id.0) {
        Some(next) => ending(store, session, EnvelopeId(next)),
        None => Ok(Ending::Forgotten),
    }
}
