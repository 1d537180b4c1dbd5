//! What happens to messages, as a stream for people and programs that watch.
//!
//! The stream is for showing, not for deciding: a slow reader misses events, the journal does not.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::broadcast;

use crate::clock::Timestamp;

/// Events kept for a slow reader before it starts to miss some.
const EVENTS_KEPT_MAX: usize = 4096;

/// One step of a message's journey.
#[derive(Debug, Clone, Serialize)]
pub struct JourneyEvent {
    /// When.
    pub at: Timestamp,
    /// Which session, once it is known.
    pub session: Option<String>,
    /// What.
    #[serde(flatten)]
    pub kind: JourneyStep,
}

/// The steps.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JourneyStep {
    /// Durable, and acknowledged to its platform.
    Admitted {
        /// Journal number.
        message: u64,
        /// How it begins.
        excerpt: String,
    },
    /// Not answered, with a reason.
    Declined {
        /// Who wrote it.
        sender: String,
        /// Why not.
        reason: String,
    },
    /// A model is being asked.
    TurnStarted {
        /// The turn.
        turn: u64,
        /// How many messages it answers.
        messages: usize,
    },
    /// A model has given no answer; what is asked next, and when.
    AttemptFailed(AttemptFailed),
    /// The answer is durable and on its way out.
    Answered {
        /// The turn.
        turn: u64,
        /// Its outbox entries.
        entries: Vec<u64>,
    },
    /// Messages ended without an answer of the agent: stopped, interrupted, or meant for the gateway.
    Ended {
        /// The turn; for messages that were in none, the number of the first.
        turn: u64,
        /// What stands in place of the answer.
        reason: String,
    },
    /// An attempt to send begins.
    Sending {
        /// The entry.
        entry: u64,
        /// Counting from 1.
        attempt: u32,
    },
    /// The platform has it.
    Delivered {
        /// The entry.
        entry: u64,
    },
    /// Nobody knows yet whether the platform has it.
    InDoubt {
        /// The entry.
        entry: u64,
        /// Why.
        reason: String,
    },
    /// It could not be finished and waits for a person.
    DeadLettered {
        /// The dead letter.
        dead_letter: u64,
        /// Why.
        reason: String,
    },
}

/// A model was asked in vain, and the turn goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptFailed {
    /// The turn.
    pub turn: u64,
    /// The model, as `provider/model`.
    pub model: String,
    /// The failure's class in one word; stable.
    pub class: &'static str,
    /// What was said with it, for people; at most 400 characters, never with a key.
    pub reason: String,
    /// The model that is asked next: often the same.
    pub next: String,
    /// The pause before that, in milliseconds.
    pub pause_ms: u64,
}

impl AttemptFailed {
    /// Longest reason, in characters: the failures of many keys can be told together.
    const REASON_CHARS_MAX: usize = 400;

    /// That `model` has failed, and when it is asked again, or `next` in its place.
    pub fn new(
        turn: u64,
        (model, next): (String, String),
        (class, reason): (&'static str, &str),
        pause: Duration,
    ) -> Self {
        let reason = reason.chars().take(Self::REASON_CHARS_MAX).collect();
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Self { turn, model, class, reason, next, pause_ms }
    }
}

/// The sending side. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal(Arc<broadcast::Sender<JourneyEvent>>);

impl Journal {
    /// A stream without readers.
    pub fn new() -> Self {
        Self(Arc::new(broadcast::channel(EVENTS_KEPT_MAX).0))
    }

    /// Reads from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<JourneyEvent> {
        self.0.subscribe()
    }

    /// Tells the readers, if there are any.
    pub fn tell(&self, at: Timestamp, session: Option<&str>, kind: JourneyStep) {
        tracing::debug!(session, step = ?kind, "journey");
        if self.0.receiver_count() > 0 {
            let event = JourneyEvent { at, session: session.map(str::to_owned), kind };
            // The last reader may just have left.
            drop(self.0.send(event));
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

/// The first characters of a text, for logs and lists.
pub fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut line: String =
        text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > CHARS_MAX {
        line.push('…');
    }
    line
}
