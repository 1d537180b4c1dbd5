//! Web chat: conversations with whoever is connected to the gateway itself.
//!
//! There is no platform behind it: what is sent is kept in the store under its session, numbered by
//! its outbox entry, and whoever watches is told. A reader that knows the last number it has seen
//! reads on from there, so a lost connection loses nothing and repeats nothing.

mod actor;
mod record;

pub use actor::WebChat;
pub use record::{ChatRecord, chat_key, chat_prefix};

use crate::message::{AccountKey, Destination, SessionKey};

/// The one account of this channel.
pub fn account() -> AccountKey {
    AccountKey::new("webchat", "default")
}

/// Where an answer goes that is meant for the readers of a session and for nobody else.
pub fn destination(session: &SessionKey) -> Destination {
    Destination { account: account(), target: session.to_string(), thread: None }
}
