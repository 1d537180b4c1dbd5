//! Handing a note over to an agent: at once as a message of its own, or with its next turn.

use telson_actors::channel::webchat;
use telson_actors::heartbeat::WakeMode as Wakes;
use telson_actors::message::{EnvelopeId, SessionKey};
use telson_actors::system_event::Added;

use super::admit::{Message, admit};
use crate::config::WakeMode;
use crate::engine::{Engine, Relay};
use crate::gateway::http::error::HttpError;

/// A note for an agent that nobody wrote to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) session: SessionKey,
    pub(super) agent: String,
    pub(super) text: String,
    pub(super) mode: WakeMode,
    /// Under which it is taken once.
    pub(super) dedupe_key: String,
}

/// What was taken, durably.
pub(super) struct Taken {
    /// The message it became; none of a note that waits for the next turn.
    pub(super) message: Option<EnvelopeId>,
    pub(super) session: SessionKey,
    /// Whether this request brought it; not if it was known before.
    pub(super) is_new: bool,
}

impl From<Relay> for Taken {
    fn from(relay: Relay) -> Self {
        Self { message: Some(relay.message), session: relay.session, is_new: relay.is_new }
    }
}

/// Takes a note, durably or not at all.
pub(super) async fn take(engine: &Engine, note: Note) -> Result<Taken, HttpError> {
    let Note { session, agent, text, mode, dedupe_key } = note;
    if mode == WakeMode::NextHeartbeat {
        let added =
            engine.system_event(&session, &text, Wakes::NextHeartbeat, Some(&dedupe_key)).await;
        let is_new = added.map_err(HttpError::internal)? != Added::Known;
        return Ok(Taken { message: None, session, is_new });
    }
    let last = engine.last_route(&session).map_err(HttpError::internal)?;
    let reply_to = last.unwrap_or_else(|| webchat::destination(&session));
    let text = format!("System: {text}");
    let message = Message { session, agent, text, sender: "system".into(), dedupe_key, reply_to };
    admit(engine, message).await.map(Taken::from)
}
