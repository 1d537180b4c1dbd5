//! Handing a note over to an agent: at once as a message of its own, or with its next turn. One that
//! wakes its agent too often waits for the next turn as well, and its sender is told.

use telson_actors::channel::webchat;
use telson_actors::heartbeat::{Skip, WakeMode as Wakes};
use telson_actors::message::{Destination, EnvelopeId, SessionKey};
use telson_actors::system_event::Added;

use super::admit::{Message, admit, is_note};
use super::once::OnceKey;
use crate::config::WakeMode;
use crate::engine::{Engine, Relay};
use crate::gateway::http::error::HttpError;

/// A note for an agent that nobody wrote to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// Where the request wants it; none for where its agent is told things.
    pub(super) session: Option<SessionKey>,
    pub(super) agent: String,
    pub(super) text: String,
    pub(super) mode: WakeMode,
    /// Under which it is taken once.
    pub(super) dedupe_key: OnceKey,
}

/// What was taken, durably.
pub(super) struct Taken {
    /// The message it became; none of a note that waits for the next turn.
    pub(super) message: Option<EnvelopeId>,
    pub(super) session: SessionKey,
    /// Whether this request brought it; not if it was known before.
    pub(super) is_new: bool,
    /// Why it waits although it was to be told at once.
    pub(super) waits: Option<Skip>,
    /// Whether its answer goes nowhere although the request wants it to go somewhere.
    pub(super) is_unseen: bool,
}

impl From<Relay> for Taken {
    fn from(relay: Relay) -> Self {
        let Relay { message, session, is_new } = relay;
        Self { message: Some(message), session, is_new, waits: None, is_unseen: false }
    }
}

/// Takes a note, durably or not at all.
///
/// # Errors
/// 409 if its key was used for something else; 503 if it could not be taken in time.
pub(super) async fn take(engine: &Engine, note: Note) -> Result<Taken, HttpError> {
    if let Some(known) = known(engine, &note)? {
        return Ok(known);
    }
    if note.mode == WakeMode::NextHeartbeat {
        return keep(engine, note, None).await;
    }
    let (beats, now) = (engine.heartbeats(), engine.clock().steady());
    if beats.take_wake(&note.agent, now).is_err() {
        return keep(engine, note, Some(Skip::RateLimited)).await;
    }
    let said = say(engine, note.clone()).await;
    if said.is_err() {
        beats.give_wake_back(&note.agent);
        // Somebody else was quicker with the same key, and has left it for later.
        if is_note(engine, &note.dedupe_key)? {
            return keep(engine, note, Some(Skip::RateLimited)).await;
        }
    }
    said
}

/// What has become of the first note under this key, told at once or left for later; nothing if this
/// is the first.
fn known(engine: &Engine, note: &Note) -> Result<Option<Taken>, HttpError> {
    let Note { session, dedupe_key: key, text, mode, .. } = note;
    let relayed = engine.relayed(&webchat::account(), &key.key).map_err(HttpError::internal)?;
    if let Some((message, first)) = relayed {
        let is_same = engine.said_under(&key.key, &said_of(text)).map_err(HttpError::internal)?;
        key.check(Some(&first), session.as_ref(), is_same)?;
        return Ok(Some(Taken::from(Relay { message, session: first, is_new: false })));
    }
    let used = engine.system_events().used(&key.key).map_err(HttpError::internal)?;
    let Some(used) = used else { return Ok(None) };
    key.check_note(&used, session.as_ref(), text)?;
    let waits = (*mode == WakeMode::Now).then_some(Skip::RateLimited);
    let session = used.session.unwrap_or_else(|| place_of(engine, note));
    Ok(Some(Taken { message: None, session, is_new: false, waits, is_unseen: false }))
}

/// Where a note waits: where the agent's heart beats, for a heartbeat is a turn, too.
fn place_of(engine: &Engine, note: &Note) -> SessionKey {
    note.session.clone().unwrap_or_else(|| engine.heartbeats().session_of(&note.agent))
}

/// Leaves it for the next turn.
async fn keep(engine: &Engine, note: Note, waits: Option<Skip>) -> Result<Taken, HttpError> {
    let (session, key) = (place_of(engine, &note), note.dedupe_key.key.as_str());
    let added = engine.system_event(&session, &note.text, Wakes::NextHeartbeat, Some(key));
    if added.await.map_err(HttpError::internal)? == Added::Known
        && let Some(known) = known(engine, &note)?
    {
        return Ok(known);
    }
    Ok(Taken { message: None, session, is_new: true, waits, is_unseen: false })
}

/// How a note is said at once.
fn said_of(text: &str) -> String {
    format!("System: {text}")
}

async fn say(engine: &Engine, note: Note) -> Result<Taken, HttpError> {
    let Note { session, agent, text, dedupe_key, .. } = note;
    let session = session.unwrap_or_else(|| engine.heartbeats().main_session(&agent));
    let reply_to = reply_to(engine, &agent, &session)?;
    let text = said_of(&text);
    let message = Message { session, agent, text, sender: "system".into(), dedupe_key, reply_to };
    admit(engine, message).await.map(Taken::from)
}

/// Where the session last spoke to somebody; else whom the agent's heartbeats tell. An answer that
/// nobody but readers over the gateway would see is rarely meant.
fn reply_to(engine: &Engine, agent: &str, session: &SessionKey) -> Result<Destination, HttpError> {
    if let Some(last) = engine.last_route(session).map_err(HttpError::internal)? {
        return Ok(last);
    }
    let beats = engine.heartbeats();
    let beat = beats.beat(agent).cloned().unwrap_or_default();
    let route = beats.route(&beat, session).map_err(HttpError::internal)?;
    let route = route.filter(|route| beat.allows_direct || !route.is_direct);
    Ok(route.map_or_else(|| webchat::destination(session), |route| route.to))
}
