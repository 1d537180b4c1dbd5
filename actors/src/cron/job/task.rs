//! What a run was claimed for (pure): its job may be another one by now.

use serde::{Deserialize, Serialize};

use super::{Payload, Run};

/// What a run was claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// It was claimed before that was written down: only its session tells.
    Unsaid,
    /// To tell the agent's main session of something.
    Event,
    /// To have the agent do something.
    Turn,
    /// To run a program.
    Command,
}

impl Task {
    /// What a run of this payload is for.
    pub fn of(payload: &Payload) -> Self {
        match payload {
            Payload::SystemEvent { .. } => Self::Event,
            Payload::AgentTurn { .. } => Self::Turn,
            Payload::Command(_) => Self::Command,
        }
    }
}

impl Run {
    /// Whether it may do this: it was claimed for such a thing, and for nothing else.
    pub(in crate::cron) fn may_do(&self, payload: &Payload) -> bool {
        let wanted = Task::of(payload);
        match self.task {
            // Only turns have sessions, and every turn that can run has one.
            Task::Unsaid => self.session.is_none() || wanted == Task::Turn,
            claimed => claimed == wanted,
        }
    }
}
