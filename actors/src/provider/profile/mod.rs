//! Auth profiles: several keys of one provider, which of them is used, and which of them rest.
//!
//! A key that is refused or over its rate rests for a while; one without credit rests for hours.
//! `state` says for how long, `order` which is next; both are pure. The provider's actor keeps
//! the states in the store, so that a restart does not ask a resting key again.

mod keyring;
mod order;
mod record;
mod resting;
mod state;

pub use keyring::{Key, Keyring};
pub use order::{Pick, Wish};
pub use resting::{Resting, resting};
pub use state::{Block, Cooldowns, State};

pub(super) use keyring::Keys;
pub(super) use order::pick;
pub(super) use record::{Pin, pin_key, state_key};

use serde::{Deserialize, Serialize};

/// How a profile signs its requests. The order is that of preference.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Kind {
    /// A login with an access token that expires.
    OAuth,
    /// A token somebody has issued.
    Token,
    /// An API key.
    #[default]
    ApiKey,
}

/// What is known of a key without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id, such as `openai:default`.
    pub id: String,
    /// How it signs.
    pub kind: Kind,
    /// A mark of the key, so that a new key under an old id starts fresh.
    pub mark: u32,
}
