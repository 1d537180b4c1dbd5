//! What happens to messages, for a connection that asked to watch.
//!
//! Read from the engine by that connection alone: nobody else pays for a watcher.

use std::future::pending;

use serde_json::{Value, json};
use telson_actors::event::JourneyEvent;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::engine::LateEngine;
use crate::methods::JOURNEYS;

/// Nothing until it is asked for.
#[derive(Default)]
pub(super) struct Journeys(Option<broadcast::Receiver<JourneyEvent>>);

impl Journeys {
    /// Begins, if this is the topic.
    pub(super) fn subscribe(&mut self, topic: &str, engine: &LateEngine) {
        if topic == JOURNEYS && self.0.is_none() {
            self.0 = engine.get().map(|engine| engine.events());
        }
    }

    /// Ends, if this is the topic.
    pub(super) fn unsubscribe(&mut self, topic: &str) {
        if topic == JOURNEYS {
            self.0 = None;
        }
    }

    /// The next event, and its name; never, where none were asked for. A connection that reads too
    /// slowly is told how many it missed.
    pub(super) async fn next(&mut self) -> (&'static str, Value) {
        loop {
            let Some(events) = &mut self.0 else { return pending().await };
            match events.recv().await {
                Ok(event) => return (JOURNEYS, serde_json::to_value(event).unwrap_or_default()),
                Err(RecvError::Lagged(missed)) => {
                    return ("telson.journey.missed", json!({"events": missed}));
                }
                Err(RecvError::Closed) => self.0 = None,
            }
        }
    }
}
