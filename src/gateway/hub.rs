//! What is told to everybody who is connected, each by its rights and wishes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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
pub struct Hub {
    events: Arc<broadcast::Sender<HubEvent>>,
    /// How many connections have asked for each topic.
    wanted: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Hub {
    /// A hub without readers.
    pub fn new() -> Self {
        let events = Arc::new(broadcast::channel(EVENTS_KEPT_MAX).0);
        Self { events, wanted: Arc::default() }
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
        let is_wanted = topics.is_empty() || topics.iter().any(|topic| self.wants(topic));
        if is_wanted && self.is_heard() {
            let event = HubEvent {
                name,
                payload: payload.to_string().into(),
                scope,
                topics: topics.into(),
            };
            // The last reader may just have left.
            drop(self.events.send(event));
        }
    }

    /// Whether anybody has asked for a topic.
    pub fn wants(&self, topic: &str) -> bool {
        self.topics().contains_key(topic)
    }

    /// The topics somebody has asked for.
    pub fn wanted(&self) -> Vec<String> {
        self.topics().keys().cloned().collect()
    }

    /// A connection asks for a topic, or asks for it no more.
    pub(super) fn want(&self, topic: &str, wants: bool) {
        let mut topics = self.topics();
        let count = topics.get(topic).copied().unwrap_or_default();
        match if wants { count + 1 } else { count.saturating_sub(1) } {
            0 => topics.remove(topic),
            count => topics.insert(topic.to_owned(), count),
        };
    }

    fn topics(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Reads from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<HubEvent> {
        self.events.subscribe()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}
