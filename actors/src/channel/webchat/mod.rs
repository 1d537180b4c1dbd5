//! Web chat: conversations with whoever is connected to the gateway itself.
//!
//! There is no platform behind it: what is sent is kept in the store under its session with a number
//! that grows, and whoever watches is told. Messages become readable in the order of their numbers,
//! so a reader that knows the last number it has seen reads on from there: a lost connection or a
//! restart loses nothing and repeats nothing. Each session keeps a window of its newest messages.

mod actor;
mod record;
mod window;

pub use actor::WebChat;
pub use record::{ChatRecord, chat_key, chat_prefix};
pub use window::{KEPT_MAX, sweep_web_chat};

use crate::message::{AccountKey, Destination, SessionKey};

/// The one account of this channel.
pub fn account() -> AccountKey {
    AccountKey::new("webchat", "default")
}

/// Where an answer goes that is meant for the readers of a session and for nobody else.
pub fn destination(session: &SessionKey) -> Destination {
    Destination { account: account(), target: session.to_string(), thread: None }
}
