//! Why an answer takes so long, in words: a model gave none, and is asked again. No IO.

use std::time::Duration;

use serde_json::Value;

use super::super::width::{cut, width};
use super::transcript::printable;

/// A model that has given no answer, and what is asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    model: String,
    reason: String,
    next: String,
    /// The pause before the next is asked.
    pub(super) pause: Duration,
}

impl Attempt {
    /// What the payload of a `telson.attempt` event says.
    pub(super) fn read(event: &Value) -> Self {
        // One line, whatever the server has answered.
        let said =
            |key: &str| printable(event[key].as_str().unwrap_or("?")).replace(['\n', '\t'], " ");
        Self {
            model: said("model"),
            reason: said("reason"),
            next: said("next"),
            pause: Duration::from_millis(event["retryInMs"].as_u64().unwrap_or(0)),
        }
    }

    /// The line, when so much of the pause is left. Where it must not be wider than `columns`,
    /// the reason is cut and what happens next is kept.
    pub(super) fn line(&self, left: Duration, columns: Option<usize>) -> String {
        let head = format!("{} gives no answer ({})", self.model, self.reason);
        let tail = match (self.next == self.model, left.is_zero()) {
            (true, true) => "; asking it again".to_owned(),
            (true, false) => format!("; trying again in {} s", seconds(left)),
            (false, true) => format!("; asking {} in its place", self.next),
            (false, false) => format!("; trying {} in {} s", self.next, seconds(left)),
        };
        let Some(columns) = columns else { return format!("{head}{tail}") };
        let room = columns.saturating_sub(width(&tail));
        cut(&format!("{}{tail}", cut(&head, room)), columns)
    }
}

/// Whole seconds, and never none.
fn seconds(left: Duration) -> u64 {
    left.saturating_add(Duration::from_millis(500)).as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn attempt(next: &str) -> Attempt {
        let event = json!({"model": "dead/m", "next": next, "retryInMs": 7_200,
            "reason": "127.0.0.1:9 could not\u{1b}[2J be\nreached: Connection refused"});
        Attempt::read(&event)
    }

    #[test]
    fn a_person_reads_what_is_tried_and_when() {
        let (again, other) = (attempt("dead/m"), attempt("b/2"));
        let head =
            "dead/m gives no answer (127.0.0.1:9 could not[2J be reached: Connection refused)";
        assert_eq!(again.line(again.pause, None), format!("{head}; trying again in 7 s"));
        assert_eq!(again.line(Duration::ZERO, None), format!("{head}; asking it again"));
        assert_eq!(other.line(other.pause, None), format!("{head}; trying b/2 in 7 s"));
        assert_eq!(other.line(Duration::ZERO, None), format!("{head}; asking b/2 in its place"));
        let narrow = again.line(again.pause, Some(50));
        assert_eq!(narrow, "dead/m gives no answer (127.…; trying again in 7 s");
    }

    proptest! {
        // A line that wraps could not be taken back.
        #[test]
        fn a_line_is_never_wider_than_the_terminal(columns in 0usize..200, reason: String, ms in 0u64..100_000) {
            let event = json!({"model": "a/b", "next": "c/d", "retryInMs": ms, "reason": reason});
            let attempt = Attempt::read(&event);
            let line = attempt.line(attempt.pause, Some(columns));
            prop_assert!(width(&line) <= columns);
            let moves = line.contains(['\n', '\r', '\t', '\u{1b}']);
            prop_assert!(!moves);
        }
    }
}
