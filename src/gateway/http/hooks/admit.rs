//! Waiting for a webhook's message to be durable: a while, and then no more.

use std::time::Duration;

use telson_actors::channel::webchat;
use telson_actors::message::{ChatKind, Destination, Inbound, SessionKey};
use telson_actors::router::{AdmitError, Relayed};
use telson_actors::store::StoreError;
use tokio::time::Instant;

use super::once::OnceKey;
use crate::engine::{Engine, Relay};
use crate::gateway::http::error::HttpError;

/// Longest wait for an admission.
const ADMIT_MAX: Duration = Duration::from_secs(15);
/// Pause before what was refused is offered again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A message for a session.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) session: SessionKey,
    pub(super) agent: String,
    pub(super) text: String,
    pub(super) sender: String,
    pub(super) dedupe_key: OnceKey,
    pub(super) reply_to: Destination,
}

/// Admits it, within its time.
///
/// # Errors
/// 409 if the key was used for another session or text; 503 if it could not be admitted in time.
pub(super) async fn admit(engine: &Engine, message: Message) -> Result<Relay, HttpError> {
    let relayed = relayed(engine, &message);
    let key = &message.dedupe_key;
    let end = Instant::now() + ADMIT_MAX;
    let relay = loop {
        let Ok(result) = tokio::time::timeout_at(end, engine.relay(relayed.clone())).await else {
            return Err(HttpError::unavailable(in_doubt(key)));
        };
        match result {
            Ok(relay) => break relay,
            Err(AdmitError::Store(StoreError::Conflict)) if is_note(engine, key)? => {
                return Err(key.reused("a note that waits for its agent"));
            }
            Err(error @ AdmitError::Store(_)) => {
                let text = format!("{error}; {}", again_under(key));
                return Err(HttpError::unavailable(text));
            }
            Err(error) if Instant::now() + AGAIN_AFTER >= end => {
                let again = again_under(key);
                let text =
                    format!("not admitted within {} s: {error}; {again}", ADMIT_MAX.as_secs());
                return Err(HttpError::unavailable(text));
            }
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    };
    let is_same =
        relay.is_new || engine.said_under(&key.key, &message.text).map_err(HttpError::internal)?;
    key.check(Some(&relay.session), Some(&message.session), is_same)?;
    Ok(relay)
}

/// Whether a key was used for a note.
pub(super) fn is_note(engine: &Engine, key: &OnceKey) -> Result<bool, HttpError> {
    engine.system_events().knows(&key.key).map_err(HttpError::internal)
}

/// Whoever leaves before the router has looked at a message takes it along; one that was on its way
/// to the disk may have got there.
fn in_doubt(key: &OnceKey) -> String {
    let again = again_under(key);
    format!("not known to be admitted within {} s; {again}", ADMIT_MAX.as_secs())
}

fn again_under(key: &OnceKey) -> String {
    let key = key.shown();
    format!("to have it taken once, send it again with the header Idempotency-Key: {key}")
}

fn relayed(engine: &Engine, message: &Message) -> Relayed {
    let Message { session, agent, text, sender, dedupe_key, reply_to } = message.clone();
    Relayed {
        agent,
        inbound: Inbound {
            account: webchat::account(),
            dedupe_key: dedupe_key.key,
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
        let key = OnceKey { key: "hook:abc".into(), is_numbered: false };
        assert!(in_doubt(&key).ends_with("Idempotency-Key: abc"));
    }
}
