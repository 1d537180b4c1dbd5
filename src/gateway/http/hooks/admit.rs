//! Waiting for a webhook's message to be durable: a while, and then no more.

use std::time::Duration;

use telson_actors::channel::webchat;
use telson_actors::message::{ChatKind, Destination, Inbound, SessionKey};
use telson_actors::router::{AdmitError, Relayed};
use tokio::time::Instant;

use crate::engine::{Engine, Relay};
use crate::gateway::http::error::HttpError;

/// Longest wait for an admission.
const ADMIT_MAX: Duration = Duration::from_secs(15);
/// Pause before what was refused is offered again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How the dedupe keys of webhooks begin.
pub(super) const KEY_PREFIX: &str = "hook:";

/// A message for a session.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) session: SessionKey,
    pub(super) agent: String,
    pub(super) text: String,
    pub(super) sender: String,
    pub(super) dedupe_key: String,
    pub(super) reply_to: Destination,
}

/// Admits it, within its time.
///
/// # Errors
/// 409 if the key was used for another session; 503 if it could not be admitted in time.
pub(super) async fn admit(engine: &Engine, message: Message) -> Result<Relay, HttpError> {
    let relayed = relayed(engine, &message);
    let end = Instant::now() + ADMIT_MAX;
    let relay = loop {
        let Ok(result) = tokio::time::timeout_at(end, engine.relay(relayed.clone())).await else {
            return Err(HttpError::unavailable(in_doubt(&message.dedupe_key)));
        };
        match result {
            Ok(relay) => break relay,
            Err(error @ AdmitError::Store(_)) => {
                let text = format!("{error}; {}", again_under(&message.dedupe_key));
                return Err(HttpError::unavailable(text));
            }
            Err(error) if Instant::now() + AGAIN_AFTER >= end => {
                let again = again_under(&message.dedupe_key);
                let text =
                    format!("not admitted within {} s: {error}; {again}", ADMIT_MAX.as_secs());
                return Err(HttpError::unavailable(text));
            }
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    };
    if relay.session == message.session {
        return Ok(relay);
    }
    Err(used_for(&relay.session))
}

/// Whoever leaves before the router has looked at a message takes it along; one that was on its way
/// to the disk may have got there.
fn in_doubt(dedupe_key: &str) -> String {
    let again = again_under(dedupe_key);
    format!("not known to be admitted within {} s; {again}", ADMIT_MAX.as_secs())
}

fn again_under(dedupe_key: &str) -> String {
    let key = dedupe_key.strip_prefix(KEY_PREFIX).unwrap_or(dedupe_key);
    format!("to have it taken once, send it again with the header Idempotency-Key: {key}")
}

/// A key stands for one message.
pub(super) fn used_for(session: &SessionKey) -> HttpError {
    let text = format!("this idempotency key was used for session {session}");
    HttpError::new(409, "conflict", text)
}

fn relayed(engine: &Engine, message: &Message) -> Relayed {
    let Message { session, agent, text, sender, dedupe_key, reply_to } = message.clone();
    Relayed {
        agent,
        inbound: Inbound {
            account: webchat::account(),
            dedupe_key,
            chat: ChatKind::Direct,
            peer: session.to_string(),
            peer_aliases: Vec::new(),
            thread: None,
            sender,
            reply_to,
            text,
            attachments: Vec::new(),
            sent_at: engine.clock().now(),
        },
        session,
        tools: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_in_doubt_is_told_the_key_it_needs() {
        assert!(in_doubt("hook:abc").ends_with("Idempotency-Key: abc"));
    }
}
