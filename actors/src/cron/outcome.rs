//! How a run's turn has ended (pure), judged by what the store says of its session.

use super::job::Status;
use crate::dead_letter::Reason;
use crate::session::Exchange;

/// What stands in the store about the message of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Whether its message waits for an answer.
    pub is_waiting: bool,
    /// Its turn, if it has ended in the transcript.
    pub exchange: Option<Exchange>,
    /// Why its message became a dead letter.
    pub dead: Option<Reason>,
    /// Whether it has ended, and left nothing to be found.
    pub is_gone: bool,
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
    /// What a command wrote.
    pub output: String,
}

impl Outcome {
    /// It did what it should.
    pub fn ok(exchange: Option<Exchange>) -> Self {
        let exchange = exchange.map(Box::new);
        let output = String::new();
        Self { status: Status::Ok, error: None, may_pass: false, exchange, output }
    }

    /// It is done, and what it says waits for the session's next turn, for this reason.
    pub fn waits(why: &str) -> Self {
        let output = format!("{why}: it waits for the session's next turn");
        Self { output, ..Self::ok(None) }
    }

    /// It failed.
    pub fn failed(error: impl Into<String>, may_pass: bool) -> Self {
        let error = Some(error.into());
        Self { status: Status::Error, error, may_pass, ..Self::ok(None) }
    }

    /// Nobody knows what it has done.
    pub fn unknown(error: impl Into<String>) -> Self {
        Self { status: Status::Unknown, ..Self::failed(error, false) }
    }

    /// It did not take place.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self { status: Status::Skipped, ..Self::failed(why, false) }
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
    if found.is_gone {
        let text = "its message has ended, and its session does not hold the answer any more";
        return Some(Outcome::failed(text, false));
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
        Found { is_waiting: false, exchange: None, dead, is_gone: false }
    }

    #[test]
    fn a_turn_has_ended_when_the_store_says_so() {
        assert_eq!(judge(found(None)), None);
        let crowded = Reason::Provider { class: "ratelimit".into(), message: "slow down".into() };
        assert_eq!(judge(Found { is_waiting: true, ..found(Some(crowded.clone())) }), None);
        let passes = judge(found(Some(crowded))).unwrap();
        assert!(passes.may_pass && passes.status == Status::Error);
        assert!(!judge(found(Some(Reason::Poison { attempts: 3 }))).unwrap().may_pass);
        let gone = judge(Found { is_gone: true, ..found(None) }).unwrap();
        assert!(gone.status == Status::Error && !gone.may_pass);
    }
}
