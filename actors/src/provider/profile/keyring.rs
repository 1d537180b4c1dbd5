//! The keys of one provider, with their clients and states.

use std::fmt;
use std::sync::Arc;

use super::super::{Failure, Provider};
use super::{Cooldowns, Pick, Pin, Profile, State, Wish, pick, pin_key, state_key};
use crate::clock::Timestamp;
use crate::store::{Batch, Store, StoreError};

/// One key and the client that signs with it.
#[derive(Clone)]
pub struct Key {
    /// What is known of it.
    pub profile: Profile,
    /// Its client.
    pub client: Arc<dyn Provider>,
}

/// The keys of one provider. There is at least one.
#[derive(Clone)]
pub struct Keyring {
    first: Key,
    others: Vec<Key>,
    /// Whether somebody has put them in order.
    pub explicit: bool,
    /// How long they rest.
    pub cooldowns: Cooldowns,
}

impl Keyring {
    /// The keyring of a provider with a single client.
    pub fn single(provider: &str, client: Arc<dyn Provider>) -> Self {
        let id = format!("{provider}:default");
        let profile = Profile { id, kind: super::Kind::ApiKey, mark: 0 };
        Self::new(Key { profile, client }, Vec::new())
    }

    /// A keyring of several keys, first come first served among equals.
    pub fn new(first: Key, others: Vec<Key>) -> Self {
        Self { first, others, explicit: false, cooldowns: Cooldowns::default() }
    }
}

impl Keyring {
    /// What is known of its keys.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        std::iter::once(&self.first).chain(&self.others).map(|key| &key.profile)
    }

    /// Whether their clients make vectors of texts.
    pub fn can_embed(&self) -> bool {
        self.first.client.can_embed()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.profiles()).finish()
    }
}

/// A keyring at work: what its provider's actor remembers of it.
pub(in super::super) struct Keys {
    provider: String,
    ring: Keyring,
    profiles: Vec<(Profile, State)>,
    store: Store,
}

impl Keys {
    /// The keys with the states an earlier life has left. A new key under an old id starts fresh.
    pub(in super::super) fn load(
        provider: &str,
        ring: Keyring,
        store: Store,
    ) -> Result<Self, StoreError> {
        let mut profiles = Vec::new();
        for key in std::iter::once(&ring.first).chain(&ring.others) {
            let profile = key.profile.clone();
            let stored: Option<State> = store.get(&state_key(provider, &profile.id))?;
            let state = stored.filter(|state| state.mark == profile.mark);
            let state = state.unwrap_or_else(|| State::fresh(profile.mark));
            profiles.push((profile, state));
        }
        Ok(Self { provider: provider.to_owned(), ring, profiles, store })
    }

    /// The client of a profile.
    pub(in super::super) fn client(&self, place: usize) -> Arc<dyn Provider> {
        let other = place.checked_sub(1).and_then(|place| self.ring.others.get(place));
        other.unwrap_or(&self.ring.first).client.clone()
    }

    /// The id of a profile.
    pub(in super::super) fn id(&self, place: usize) -> &str {
        self.profiles.get(place).map_or("", |(profile, _)| &profile.id)
    }

    /// Which profile a call of a session uses now.
    pub(in super::super) fn pick(
        &self,
        session: &str,
        tried: &[usize],
        model: &str,
        mut wish: Wish,
        now: Timestamp,
    ) -> Pick {
        if self.profiles.len() > 1 && wish.pinned.is_none() {
            // A pin that can't be read costs a warm cache.
            let pin = self.store.get::<Pin>(&pin_key(&self.provider, session));
            wish.pinned = pin.ok().flatten().map(|pin| pin.profile);
        }
        pick(&self.profiles, self.ring.explicit, tried, model, &wish, now)
    }

    /// Whether a call that has tried these has another profile to go to.
    pub(in super::super) fn has_other(&self, tried: &[usize], model: &str, now: Timestamp) -> bool {
        let wish = Wish { pinned: None, fallback: true };
        let picked = pick(&self.profiles, self.ring.explicit, tried, model, &wish, now);
        matches!(picked, Pick::Use(_))
    }

    /// A profile has given a session an answer.
    pub(in super::super) fn succeeded(
        &mut self,
        place: usize,
        session: &str,
        model: &str,
        now: Timestamp,
    ) {
        let several = self.profiles.len() > 1;
        let Some((profile, state)) = self.profiles.get_mut(place) else { return };
        let was_well = state.errors == 0 && state.disabled.is_none() && state.rests.is_empty();
        state.succeeded(model, now);
        let pin_key = pin_key(&self.provider, session);
        let pin = Pin { profile: profile.id.clone() };
        let is_new_pin =
            several && self.store.get::<Pin>(&pin_key).ok().flatten().as_ref() != Some(&pin);
        if was_well && !is_new_pin {
            return;
        }
        let mut batch = Batch::new();
        batch.put(state_key(&self.provider, &profile.id), &*state);
        if is_new_pin {
            batch.put(pin_key, &pin);
        }
        self.write(batch);
    }

    /// A profile has failed.
    pub(in super::super) fn failed(
        &mut self,
        place: usize,
        failure: &Failure,
        model: &str,
        now: Timestamp,
    ) {
        let Some((profile, state)) = self.profiles.get_mut(place) else { return };
        let wish = failure.retry_after;
        if !state.failed(failure.class, model, wish, now, &self.ring.cooldowns) {
            return;
        }
        let rest = state.block(model, now).map(|block| block.left).unwrap_or_default();
        tracing::warn!(profile = %profile.id, model, class = ?failure.class, ?rest,
            "auth profile rests");
        let mut batch = Batch::new();
        batch.put(state_key(&self.provider, &profile.id), &*state);
        self.write(batch);
    }

    /// Ends the rest of all profiles, or of the one of this id. Gives those that rested.
    pub(in super::super) async fn wake(
        &mut self,
        named: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let mut batch = Batch::new();
        let (mut woken, mut after) = (Vec::new(), self.profiles.clone());
        for (profile, state) in &mut after {
            if named.is_none_or(|id| id == profile.id) && state.wake() {
                batch.put(state_key(&self.provider, &profile.id), &*state);
                woken.push(profile.id.clone());
            }
        }
        if !woken.is_empty() {
            self.store.commit(batch).await?;
            tracing::info!(profiles = woken.join(", "), "auth profiles may be used again");
            self.profiles = after;
        }
        Ok(woken)
    }

    /// Nothing waits for this, and the next write of a profile carries all of its state.
    fn write(&self, batch: Batch) {
        let told = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::debug!(%error, "the state of an auth profile was not written");
            }
        };
        if let Err(error) = self.store.submit_unsynced(batch, told) {
            told(Err(error));
        }
    }
}
