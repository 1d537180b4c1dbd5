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
            let text = "nobody knows yet whether this was admitted; send it again under the same \
                        idempotency key";
            return Err(HttpError::unavailable(text));
        };
        match result {
            Ok(relay) => break relay,
            Err(error @ AdmitError::Store(_)) => {
                return Err(HttpError::unavailable(error.to_string()));
            }
            Err(error) if Instant::now() + AGAIN_AFTER >= end => {
                let text = format!("not admitted within {} s: {error}", ADMIT_MAX.as_secs());
                return Err(HttpError::unavailable(text));
            }
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    };
    if relay.session == message.session {
        return Ok(relay);
    }
    let text = format!("this idempotency key was used for session {}", relay.session);
    Err(HttpError::new(409, "conflict", text))
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
