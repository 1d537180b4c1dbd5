//! Where an agent's main session last spoke to somebody.

use super::record::{LastPlace, place_key};
use crate::channel::webchat;
use crate::inbox::{InboxRecord, inbox_prefix};
use crate::message::{Destination, SessionKey};
use crate::session::{Exchange, exchange_prefix};
use crate::store::{Batch, Store, StoreError};

/// Exchanges looked through before what was known earlier counts.
const EXCHANGES_MAX: usize = 100;

/// The place, if there was any. What nobody but the gateway's own readers saw is no place.
///
/// # Errors
/// What the store says.
pub(super) fn of_main(
    store: &Store,
    session: &SessionKey,
) -> Result<Option<Destination>, StoreError> {
    let waiting: Vec<(_, InboxRecord)> = store.tail(&inbox_prefix(session), EXCHANGES_MAX)?;
    let waiting = waiting.into_iter().map(|(_, record)| record.envelope.inbound.reply_to);
    if let Some(place) = waiting.rev().find(is_outside) {
        return Ok(Some(place));
    }
    let said: Vec<(_, Exchange)> = store.tail(&exchange_prefix(session), EXCHANGES_MAX)?;
    let said = said.into_iter().map(|(_, exchange)| exchange.reply_to);
    let known = place_key(session.as_str());
    if let Some(place) = said.rev().find(is_outside) {
        // Many events of our own may follow, and push it out of sight.
        if store.get::<LastPlace>(&known)?.is_none_or(|known| known.0 != place) {
            let mut batch = Batch::new();
            batch.put(known, &LastPlace(place.clone()));
            // Whoever asks next tries again.
            if let Err(error) = store.submit_unsynced(batch, |_| ()) {
                tracing::debug!(%error, "where a session last spoke was not noted");
            }
        }
        return Ok(Some(place));
    }
    Ok(store.get::<LastPlace>(&known)?.map(|known| known.0))
}

fn is_outside(place: &Destination) -> bool {
    place.account != webchat::account()
}
