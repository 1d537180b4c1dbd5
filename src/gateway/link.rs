//! How a method reaches the connection it was called over.

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::methods::Link;

/// The way to a connection.
pub(super) type LinkSender = UnboundedSender<LinkMessage>;

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
    Event(&'static str, Value),
}

/// Bounded by the calls under way: each sends a few of these.
pub(super) struct ConnectionLink {
    pub(super) id: Value,
    pub(super) connection: LinkSender,
}

impl ConnectionLink {
    fn tell(&self, message: LinkMessage) {
        // A connection that is gone has nobody left to tell.
        drop(self.connection.send(message));
    }
}

impl Link for ConnectionLink {
    fn answer_early(&self, payload: Value) {
        self.tell(LinkMessage::Early(self.id.clone(), payload));
    }

    fn subscribe(&self, topic: &str) {
        self.tell(LinkMessage::Subscribe(topic.to_owned()));
    }

    fn unsubscribe(&self, topic: &str) {
        self.tell(LinkMessage::Unsubscribe(topic.to_owned()));
    }
}
