//! How a run's turn has ended (pure), judged by what the store says of its session.

use super::job::Status;
use crate::dead_letter::Reason;
use crate::session::Exchange;

/// What stands in the store for a session that has one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Whether its message waits for an answer.
    pub is_waiting: bool,
    /// Its turn, if it has ended in the transcript.
    pub exchange: Option<Exchange>,
    /// Why its message became a dead letter.
    pub dead: Option<Reason>,
}

/// An end.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How.
    pub status: Status,
    /// What was wrong.
    pub error: Option<String>,
    /// Whether the failure may pass by itself.
    pub may_pass: bool,
    /// The turn, if it was answered.
    pub exchange: Option<Box<Exchange>>,
}

impl Outcome {
    /// It did what it should.
    pub fn ok(exchange: Option<Exchange>) -> Self {
        let exchange = exchange.map(Box::new);
        Self { status: Status::Ok, error: None, may_pass: false, exchange }
    }

    /// It failed.
    pub fn failed(error: impl Into<String>, may_pass: bool) -> Self {
        Self { status: Status::Error, error: Some(error.into()), may_pass, exchange: None }
    }

    /// It did not take place.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self { status: Status::Skipped, error: Some(why.into()), may_pass: false, exchange: None }
    }
}

/// Judges; nothing while the turn is under way, or before its message was admitted.
pub(super) fn judge(found: Found) -> Option<Outcome> {
    if found.is_waiting {
        return None;
    }
    if let Some(exchange) = found.exchange {
        return Some(match exchange.unanswered() {
            Some(why) => Outcome::failed(why, false),
            None => Outcome::ok(Some(exchange)),
        });
    }
    let reason = found.dead?;
    let may_pass = match &reason {
        // The classes of failures that others would have answered, or this one later.
        Reason::Provider { class, .. } => {
            ["ratelimit", "overloaded", "timeout", "server"].contains(&class.as_str())
        }
        Reason::Overflow
        | Reason::Poison { .. }
        | Reason::Rejected { .. }
        | Reason::Unknown { .. }
        | Reason::Unreadable { .. } => false,
    };
    Some(Outcome::failed(reason.to_string(), may_pass))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dead: Option<Reason>) -> Found {
        Found { is_waiting: false, exchange: None, dead }
    }

    #[test]
    fn a_turn_has_ended_when_the_store_says_so() {
        assert_eq!(judge(found(None)), None);
        let crowded = Reason::Provider { class: "ratelimit".into(), message: "slow down".into() };
        assert_eq!(judge(Found { is_waiting: true, ..found(Some(crowded.clone())) }), None);
        let passes = judge(found(Some(crowded))).unwrap();
        assert!(passes.may_pass && passes.status == Status::Error);
        assert!(!judge(found(Some(Reason::Poison { attempts: 3 }))).unwrap().may_pass);
    }
}
