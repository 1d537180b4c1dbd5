//! Why something became a dead letter.

use serde::{Deserialize, Serialize};

/// The reasons, typed so that people and programs can tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Reason {
    /// The session's lane was full and its drop policy discards.
    #[error("overflow: the session had more messages waiting than its queue allows")]
    Overflow,
    /// Its turn failed the process or its actor again and again.
    #[error("poison: its turn crashed {attempts} times")]
    Poison {
        /// Crashed attempts.
        attempts: u32,
    },
    /// The model provider failed for good.
    #[error("provider failed ({class}): {message}")]
    Provider {
        /// The failure class.
        class: String,
        /// What it said.
        message: String,
    },
    /// The platform refused it.
    #[error("not sent: {message}")]
    Rejected {
        /// What it said.
        message: String,
    },
    /// Nobody can say whether it was sent, and sending it again might double it.
    #[error("outcome unknown: {message}")]
    Unknown {
        /// What was looked for.
        message: String,
    },
    /// A row of the platform never became readable.
    #[error("unreadable: {message}")]
    Unreadable {
        /// What is missing.
        message: String,
    },
}

impl Reason {
    /// A stable short name.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::Overflow => "overflow",
            Reason::Poison { .. } => "poison",
            Reason::Provider { .. } => "provider",
            Reason::Rejected { .. } => "rejected",
            Reason::Unknown { .. } => "unknown",
            Reason::Unreadable { .. } => "unreadable",
        }
    }
}
