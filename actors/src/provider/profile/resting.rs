//! Which keys rest, for people: read from the store, so that a fresh start knows as well.

use super::{Keyring, State, state_key};
use crate::clock::Timestamp;
use crate::provider::FailureClass;
use crate::store::{Store, StoreError};

/// A key that is not used for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// The provider.
    pub provider: String,
    /// The auth profile.
    pub profile: String,
    /// The model it rests for; none for all of them.
    pub model: Option<String>,
    /// Why.
    pub class: FailureClass,
    /// Until when.
    pub until: Timestamp,
}

/// The keys of a provider that rest now.
///
/// # Errors
/// A damaged record.
pub fn resting(
    store: &Store,
    provider: &str,
    ring: &Keyring,
    now: Timestamp,
) -> Result<Vec<Resting>, StoreError> {
    let mut resting = Vec::new();
    for profile in ring.profiles() {
        let state: Option<State> = store.get(&state_key(provider, &profile.id))?;
        // A new key under an old id starts fresh.
        let state = state.filter(|state| state.mark == profile.mark).unwrap_or_default();
        resting.extend(state.blocks(now).map(|(model, until, class)| Resting {
            provider: provider.to_owned(),
            profile: profile.id.clone(),
            model: model.map(str::to_owned),
            class,
            until,
        }));
    }
    Ok(resting)
}
