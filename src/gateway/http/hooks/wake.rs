//! Handing a note over to an agent.

use futures_util::future::BoxFuture;
use telson_actors::channel::webchat;
use telson_actors::message::SessionKey;

use super::admit::{Message, admit};
use crate::config::WakeMode;
use crate::engine::{Engine, Relay};
use crate::gateway::http::error::HttpError;

/// A note for an agent that nobody wrote to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct SystemEvent {
    pub(in super::super) session: SessionKey,
    pub(in super::super) agent: String,
    pub(in super::super) text: String,
    pub(in super::super) mode: WakeMode,
    /// Under which it is taken once.
    pub(in super::super) dedupe_key: String,
}

/// Who takes notes.
pub(in super::super) trait SystemEvents: Send + Sync {
    /// Takes a note, durably or not at all.
    fn take<'a>(
        &'a self,
        engine: &'a Engine,
        event: SystemEvent,
    ) -> BoxFuture<'a, Result<Relay, HttpError>>;
}

/// Makes a message of each note, at once in either mode: a message is durable.
pub(in super::super) struct AsMessages;

impl SystemEvents for AsMessages {
    fn take<'a>(
        &'a self,
        engine: &'a Engine,
        event: SystemEvent,
    ) -> BoxFuture<'a, Result<Relay, HttpError>> {
        Box::pin(async move {
            tracing::debug!(session = %event.session, mode = ?event.mode, "a note for an agent");
            let last = engine.last_route(&event.session).map_err(HttpError::internal)?;
            let reply_to = last.unwrap_or_else(|| webchat::destination(&event.session));
            let message = Message {
                session: event.session,
                agent: event.agent,
                text: format!("System: {}", event.text),
                sender: "system".into(),
                dedupe_key: event.dedupe_key,
                reply_to,
            };
            admit(engine, message).await
        })
    }
}
