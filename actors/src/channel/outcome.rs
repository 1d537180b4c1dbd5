//! The possible ends of one attempt to send.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::Destination;

/// One part of a reply, as a channel sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Stable id of the outbox entry: the same for every attempt.
    pub entry: String,
    /// Where it goes.
    pub to: Destination,
    /// What it says, already cut to the platform's limit.
    pub text: String,
    /// When this attempt began; for a look at one in doubt, since when it has been looked for.
    pub attempted_at: Timestamp,
}

/// What settles doubt later. Opaque to everyone but the channel that wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence(pub Vec<u8>);

/// The platform's proof that a part is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform's id of what was sent; empty where it gives none.
    pub platform_id: String,
    /// A remark for people, such as `found in chat.db` or `two rows seen`.
    pub note: String,
}

/// Why an attempt failed, as far as it decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureClass {
    /// Try again with back-off.
    Transient,
    /// Try again, not before the platform's stated time.
    RateLimit,
    /// Credentials or permission: the account cannot send until a person acts.
    Permission,
    /// This part can never be sent.
    Permanent,
}

/// An attempt that provably sent nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFailure {
    /// What kind of failure.
    pub class: FailureClass,
    /// A sentence for people: what failed and what to do.
    pub message: String,
    /// The platform's own wish for the next attempt.
    pub retry_after: Option<Duration>,
}

/// What one call to `send` may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// It is out, with proof.
    Sent(Receipt),
    /// It is provably not out.
    NotSent(SendFailure),
    /// Nobody can say yet: `reconcile` decides.
    InDoubt(String),
}

/// What `reconcile` may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Evidence found: it is out.
    Sent(Receipt),
    /// Evidence found that the platform refused it or never got it.
    NotSent(SendFailure),
    /// No evidence yet; ask again after this pause.
    Wait(Duration),
    /// The channel has looked long enough: a person must decide.
    Unresolved(String),
}

impl SendFailure {
    /// A failure worth another attempt.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Transient, message: message.into(), retry_after: None }
    }

    /// A failure no attempt will mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Permanent, message: message.into(), retry_after: None }
    }

    /// A failure a person has to mend.
    pub fn permission(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Permission, message: message.into(), retry_after: None }
    }
}
