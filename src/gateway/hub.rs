//! What is told to everybody who is connected, each by its rights and wishes.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::broadcast;

use crate::methods::Scope;

/// Events kept for a slow connection before it is ended.
const EVENTS_KEPT_MAX: usize = 8192;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct HubEvent {
    /// Its name on the wire.
    pub name: &'static str,
    /// What happened.
    pub payload: Arc<str>,
    /// The right it needs; `None` for everybody who is let in.
    pub scope: Option<Scope>,
    /// The topics of which a connection must have asked for one; empty for everybody.
    pub topics: Arc<[String]>,
}

/// Where events come together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<broadcast::Sender<HubEvent>>);

impl Hub {
    /// A hub without readers.
    pub fn new() -> Self {
        Self(Arc::new(broadcast::channel(EVENTS_KEPT_MAX).0))
    }

    /// Tells everybody with this right.
    pub fn tell(&self, name: &'static str, scope: Option<Scope>, payload: Value) {
        self.tell_topics(name, scope, &[], payload);
    }

    /// Tells those with this right who asked for one of these topics.
    pub fn tell_topics(
        &self,
        name: &'static str,
        scope: Option<Scope>,
        topics: &[String],
        payload: Value,
    ) {
        if self.0.receiver_count() > 0 {
            let event = HubEvent {
                name,
                payload: payload.to_string().into(),
                scope,
                topics: topics.into(),
            };
            // The last reader may just have left.
            drop(self.0.send(event));
        }
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Reads from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<HubEvent> {
        self.0.subscribe()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}
