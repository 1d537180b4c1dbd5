//! Where a conversation last spoke to somebody outside the gateway, for whoever answers there next:
//! jobs, heartbeats and webhooks mean the same place.

use super::last;
use crate::message::{Destination, SessionKey};
use crate::store::{Store, StoreError};

/// The place, if there was any. What only the gateway's own readers saw is none.
///
/// # Errors
/// What the store says.
pub fn last_outside(
    store: &Store,
    session: &SessionKey,
) -> Result<Option<Destination>, StoreError> {
    last::of_main(store, session)
}
