//! How a method reaches the connection it was called over.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::methods::Link;

/// The way to a connection.
pub(super) type LinkSender = UnboundedSender<LinkMessage>;

/// Bytes of events of its own that a connection has not read: what comes beyond is a view, and is
/// left out.
const UNREAD_BYTES_MAX: usize = 1024 * 1024;

/// Topics one connection may ask for: nobody reads so many sessions at once.
const TOPICS_MAX: usize = 1024;

/// What a connection has asked for so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Topics(Arc<Mutex<BTreeSet<String>>>);

impl Topics {
    /// Notes a topic; `false` if there are too many.
    fn add(&self, topic: &str) -> bool {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = topics.len() < TOPICS_MAX || topics.contains(topic);
        if has_room {
            topics.insert(topic.to_owned());
        }
        has_room
    }

    fn remove(&self, topic: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}

/// What a method asks of its connection.
#[derive(Debug)]
pub(super) enum LinkMessage {
    /// Answers the call with this id before its last answer.
    Early(Value, Value),
    /// The connection wants a kind of event.
    Subscribe(String),
    /// It wants it no more.
    Unsubscribe(String),
    /// It is told this, and nobody else.
    Event(&'static str, Weighed),
}

/// A text that waits to be told, and counts as long as it does.
#[derive(Debug)]
pub(super) struct Weighed {
    text: String,
    scale: Arc<AtomicUsize>,
}

impl Weighed {
    /// Puts a text on a scale; nothing where that would hold too many bytes besides.
    pub(super) fn new(text: String, scale: &Arc<AtomicUsize>, bytes_max: usize) -> Option<Self> {
        let before = scale.fetch_add(text.len(), Ordering::AcqRel);
        // Dropped, it is taken off again.
        let weighed = Self { text, scale: scale.clone() };
        let is_light = before == 0 || before.saturating_add(weighed.text.len()) <= bytes_max;
        is_light.then_some(weighed)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Weighed {
    fn drop(&mut self) {
        self.scale.fetch_sub(self.text.len(), Ordering::AcqRel);
    }
}

/// Bounded by the calls under way: each sends a few of these. What nodes are asked is weighed.
pub(super) struct ConnectionLink {
    pub(super) id: Value,
    pub(super) connection: LinkSender,
    pub(super) topics: Topics,
    /// Bytes of events of its own that it has not read.
    pub(super) unread: Arc<AtomicUsize>,
}

impl ConnectionLink {
    fn pass_on(&self, message: LinkMessage) {
        // A connection that is gone has nobody left to tell.
        drop(self.connection.send(message));
    }
}

impl Link for ConnectionLink {
    fn connection(&self) -> usize {
        Arc::as_ptr(&self.unread).addr()
    }

    fn answer_early(&self, payload: Value) {
        self.pass_on(LinkMessage::Early(self.id.clone(), payload));
    }

    fn subscribe(&self, topic: &str) -> bool {
        let has_room = self.topics.add(topic);
        if has_room {
            self.pass_on(LinkMessage::Subscribe(topic.to_owned()));
        }
        has_room
    }

    fn unsubscribe(&self, topic: &str) {
        self.topics.remove(topic);
        self.pass_on(LinkMessage::Unsubscribe(topic.to_owned()));
    }

    fn tell(&self, event: &'static str, payload: Value) -> bool {
        let weighed = Weighed::new(payload.to_string(), &self.unread, UNREAD_BYTES_MAX);
        let Some(weighed) = weighed else { return false };
        self.connection.send(LinkMessage::Event(event, weighed)).is_ok()
    }
}
