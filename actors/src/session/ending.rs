//! How messages end without an answer of the agent: stopped, interrupted, or meant for the gateway.
//!
//! They end in the transcript like any other, so that `telson why` finds them, and in one commit
//! with what the person is told.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::queue::QueueChoice;
use super::record::Exchange;
use super::steps::StepId;
use crate::message::{Destination, EnvelopeId};
use crate::model::ModelRef;

/// Stands where the answer of a stopped turn would.
pub(super) const STOPPED: &str = "[This was stopped before it was answered.]";
/// Stands where the answer of an interrupted turn would.
pub(super) const INTERRUPTED: &str = "[A newer message interrupted this before it was answered.]";

/// Messages that end, and what ends with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// What goes into the transcript (entries are filled in by the actor).
    pub exchange: Exchange,
    /// The messages.
    pub members: Vec<EnvelopeId>,
    /// The turn that ends, if one was in flight: its calls are to be stopped.
    pub turn: Option<EndedTurn>,
    /// Whether nothing of a turn of an earlier life is wanted any more.
    pub is_clean: bool,
    /// What people are told.
    pub notices: Vec<Notice>,
    /// How the session queues from now on, if that has changed.
    pub queue: Option<QueueChoice>,
}

/// A turn in flight that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedTurn {
    /// Its number.
    pub turn: u64,
    /// Its recorded steps, to be removed.
    pub steps: Vec<StepId>,
    /// The model it asked last.
    pub model: ModelRef,
}

/// A sentence of the gateway for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where it goes.
    pub to: Destination,
    /// What it says.
    pub text: String,
}

/// What a stop has stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The turn that ran.
    pub turn: Option<u64>,
    /// Messages that ended with it, those of the turn and those that waited.
    pub messages: usize,
}

/// Whoever asked for a stop: is told once it is durable. Must not block.
#[derive(Clone)]
pub struct Asker(Arc<dyn Fn(Stopped) + Send + Sync>);

impl Asker {
    /// Somebody who is told by calling `tell`.
    pub fn new(tell: impl Fn(Stopped) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells them.
    pub fn tell(&self, stopped: Stopped) {
        (self.0)(stopped);
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}

impl PartialEq for Asker {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Exchange {
    /// Whether the gateway itself was meant and has answered: no model has seen it or is shown it.
    pub fn is_of_gateway(&self) -> bool {
        self.model.is_empty()
    }

    /// Why it ended without an answer, in words.
    pub fn unanswered(&self) -> Option<&'static str> {
        match self.answer.as_str() {
            STOPPED => Some("it was stopped before it was answered"),
            INTERRUPTED => Some("a newer message interrupted it before it was answered"),
            _ => None,
        }
    }
}

/// What people are told of calls whose outcome nobody knows; empty if there are none.
pub(super) fn unknown_outcome(tools: &[String]) -> String {
    if tools.is_empty() {
        return String::new();
    }
    let tools = tools.join(", ");
    format!(" It ended while {tools} ran; whether that took effect is unknown.")
}
