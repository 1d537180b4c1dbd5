//! All sessions of an engine: the child of the tree under which they live, which of them are alive,
//! and the way to hand one a message.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use ractor::{Actor, ActorCell, ActorRef, SpawnErr};
use telson_supervision::dynamic::{DynamicMessage, DynamicSpec};
use telson_supervision::{ChildSpec, Dice, Events, Via};

use super::actor::{SessionActor, SessionDeps, SessionMessage};
use super::machine::Event;
use crate::inbox::InboxRecord;
use crate::message::SessionKey;

/// The name of the dynamic supervisor of all sessions.
pub const SESSIONS: &str = "engine/core/sessions";

/// The sessions, by key.
pub type Sessions = Via<DynamicMessage<SessionKey, SessionMessage>>;

/// Hands a message that is durable to its session, which starts for it if need be. Without sessions it
/// waits in the store: the router starts after them and reads it there.
pub fn hand_over(sessions: &Sessions, record: Box<InboxRecord>) {
    let key = record.session.clone();
    let message = SessionMessage(Event::Inbound(record));
    if sessions.cast(DynamicMessage::Dispatch(key.clone(), message)).is_err() {
        tracing::debug!(session = %key, "sessions are not up; the message waits in the store");
    }
}

/// All sessions as one child of the tree: a dynamic supervisor that starts a session for the first
/// message of its key.
pub fn sessions_child(deps: SessionDeps, live_max: usize, events: Events, dice: Dice) -> ChildSpec {
    let registry = deps.registry.clone();
    let deps = Arc::new(deps);
    let mut spec = DynamicSpec::new(SESSIONS, move |key: SessionKey, parent: ActorCell| {
        start(key, deps.clone(), parent)
    });
    spec.live_max = live_max;
    spec.make_room = Some(Arc::new(|| SessionMessage(Event::MakeRoom)));
    spec.events = events;
    spec.dice = dice;
    spec.into_child("sessions", registry)
}

async fn start(
    key: SessionKey,
    deps: Arc<SessionDeps>,
    parent: ActorCell,
) -> Result<ActorRef<SessionMessage>, SpawnErr> {
    let (session, _) = Actor::spawn_linked(None, SessionActor, (key, deps), parent).await?;
    Ok(session)
}

/// Sessions that have begun and not ended in order. One that begins twice has crashed in between.
#[derive(Debug, Clone, Default)]
pub struct Lives(Arc<Mutex<HashSet<SessionKey>>>);

impl Lives {
    /// Notes a beginning; `true` if the life before did not end in order.
    pub(super) fn begin(&self, key: &SessionKey) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
    }

    pub(super) fn end(&self, key: &SessionKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
