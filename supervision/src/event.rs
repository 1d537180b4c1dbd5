//! What happens in a tree, as a stream.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::broadcast;

/// Events kept for a slow reader before it starts to miss some.
const EVENTS_KEPT_MAX: usize = 1024;

/// One event.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The child, as a path from the root such as `engine/core/router`.
    pub path: String,
    /// What happened to it.
    pub kind: EventKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It runs.
    Started,
    /// It ended, for this reason.
    Exited(String),
    /// It will be started again after this pause.
    Restarting(Duration),
    /// It completed nothing for too long and is being replaced.
    Deaf(Duration),
    /// The branch spent its restart budget and is stopped; the next try comes after this pause.
    Tripped(Duration),
    /// The branch spent its restart budget and hands the problem to its parent.
    Escalated,
    /// More messages wait for a restarting child than may wait; this many were dropped.
    BacklogDropped(usize),
    /// It was stopped on purpose.
    Stopped,
}

/// The sending side of the stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(Arc<broadcast::Sender<Event>>);

impl Events {
    /// A stream without readers.
    pub fn new() -> Self {
        Self(Arc::new(broadcast::channel(EVENTS_KEPT_MAX).0))
    }

    /// Reads from now on. A reader that falls far behind is told how many events it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    pub(crate) fn emit(&self, path: &str, child: &str, kind: EventKind) {
        let path = if child.is_empty() { path.to_owned() } else { format!("{path}/{child}") };
        match &kind {
            EventKind::Started | EventKind::Stopped => tracing::debug!(%path, ?kind, "supervision"),
            EventKind::Exited(reason) => tracing::debug!(%path, %reason, "child exited"),
            _ => tracing::warn!(%path, ?kind, "supervision"),
        }
        // No reader is no error.
        drop(self.0.send(Event { path, kind }));
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}
