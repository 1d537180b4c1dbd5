//! Where a session's conversation takes place.

use crate::inbox::{InboxRecord, inbox_key, inbox_prefix};
use crate::message::{Destination, EnvelopeId, SessionKey};
use crate::session::{Exchange, exchange_prefix};
use crate::store::{Store, StoreError};

/// Where the answer of a turn goes: where its first message asks for it. The turn runs, so its
/// messages are still in the inbox.
pub(super) fn of_turn(
    store: &Store,
    session: &SessionKey,
    turn: u64,
) -> Result<Option<Destination>, StoreError> {
    let first: Option<InboxRecord> = store.get(&inbox_key(session, EnvelopeId(turn)))?;
    Ok(first.map(|record| record.envelope.inbound.reply_to))
}

/// Where a session last spoke, or is about to.
pub(super) fn of_session(
    store: &Store,
    session: &SessionKey,
) -> Result<Option<Destination>, StoreError> {
    let waiting: Vec<(_, InboxRecord)> = store.tail(&inbox_prefix(session), 1)?;
    if let Some((_, record)) = waiting.into_iter().next() {
        return Ok(Some(record.envelope.inbound.reply_to));
    }
    let said: Vec<(_, Exchange)> = store.tail(&exchange_prefix(session), 1)?;
    Ok(said.into_iter().next().map(|(_, exchange)| exchange.reply_to))
}
