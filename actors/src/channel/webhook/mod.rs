//! Webhooks on the way out: what happened, posted as JSON to the address of a program.
//!
//! The target of an entry is the address, its text the whole body: a JSON object whose `id` goes
//! along as `Idempotency-Key`, the same however often it is sent. Each address is judged by the SSRF
//! guard, redirects are not followed. An answer that says nothing about what became of a request
//! leaves it in doubt, and no later look can tell: such an entry is parked for a person, unless the
//! operator has chosen to send it again.

mod answer;
mod sender;

pub use sender::{WebhookSettings, Webhooks};

use crate::message::{AccountKey, Destination};

/// The channel's name.
pub const CHANNEL: &str = "webhook";

/// The account everything is posted from.
pub fn account() -> AccountKey {
    AccountKey::new(CHANNEL, "default")
}

/// An address as a destination.
pub fn destination(url: &str) -> Destination {
    Destination { account: account(), target: url.to_owned(), thread: None }
}

/// Whether this looks like an address that can be posted to; the guard judges it when it is.
///
/// # Errors
/// A sentence that says what it should be.
pub fn check(url: &str) -> Result<(), String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("is no address: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err("must be an address with http:// or https://".into());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("must not name a user or a password (see cron.webhookToken)".into());
    }
    Ok(())
}
