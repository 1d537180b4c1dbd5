//! The keys of providers: which of them rest, and ending a rest. And what else an operator should
//! know of: hooks that fail, budgets that are used up.

use telson_actors::hook::Failing;
use telson_actors::provider::profile::{Keyring, Resting, resting};
use telson_actors::provider::{ProviderMessage, provider_name};
use telson_actors::store::StoreError;
use telson_actors::usage::{self, Budgets, Day};
use telson_supervision::Registry;

use super::Engine;

/// What an engine knows of its providers and what they may cost.
pub(super) struct Desk {
    pub(super) rings: Vec<(String, Keyring)>,
    pub(super) budgets: Budgets,
    pub(super) registry: Registry,
}

/// Why no key was woken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WakeError {
    /// Neither a provider nor a key.
    #[error("{named:?} is neither a provider nor one of their keys; there are {known}")]
    Unknown {
        /// What was named.
        named: String,
        /// What could be.
        known: String,
    },
    /// The provider is not up.
    #[error("the provider is restarting; try again")]
    Restarting,
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// The providers with their keys' ids, in order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let rings = self.0.desk.rings.iter();
        rings.map(|(provider, ring)| {
            (provider.as_str(), ring.profiles().map(|profile| profile.id.as_str()).collect())
        })
    }

    /// The keys that rest now, also those an earlier life has put to rest.
    ///
    /// # Errors
    /// A damaged record.
    pub fn resting_keys(&self) -> Result<Vec<Resting>, StoreError> {
        let now = self.0.clock.now();
        let mut all = Vec::new();
        for (provider, ring) in &self.0.desk.rings {
            all.extend(resting(&self.0.store, provider, ring, now)?);
        }
        Ok(all)
    }

    /// Ends the rest of a provider's keys, or of one key by its id (`openai:default`): the next call
    /// may use them. Returns the ids of those that rested, once that is durable.
    ///
    /// # Errors
    /// See [`WakeError`].
    pub async fn wake_keys(&self, named: &str) -> Result<Vec<String>, WakeError> {
        let (provider, profile) = self.key_named(named)?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let message = ProviderMessage::Wake { profile, reply: sender.into() };
        let actor = self.0.desk.registry.via(provider_name(&provider));
        actor.cast(message).map_err(|_| WakeError::Restarting)?;
        Ok(receiver.await.map_err(|_| WakeError::Restarting)??)
    }

    fn key_named(&self, named: &str) -> Result<(String, Option<String>), WakeError> {
        let named = named.trim();
        if self.keys().any(|(provider, _)| provider == named) {
            return Ok((named.to_owned(), None));
        }
        let found = self.keys().find(|(_, keys)| keys.contains(&named));
        if let Some((provider, _)) = found {
            return Ok((provider.to_owned(), Some(named.to_owned())));
        }
        let known = self.keys().flat_map(|(provider, keys)| [vec![provider], keys].concat());
        let known: Vec<&str> = known.collect();
        Err(WakeError::Unknown { named: named.to_owned(), known: known.join(", ") })
    }

    /// Hooks whose last run failed.
    pub fn failing_hooks(&self) -> Vec<Failing> {
        self.0.hooks.failing()
    }

    /// Budgets of this day that are used up, as sentences: what they concern, and how much it is.
    ///
    /// # Errors
    /// A damaged record.
    pub fn spent_budgets(&self) -> Result<Vec<(String, String)>, StoreError> {
        usage::spent(&self.0.store, &self.0.desk.budgets, Day::of(self.0.clock.now()))
    }
}
