//! What was logged last, kept in memory for those who look from afar.
//!
//! The lines are JSON in the shape that clients of the gateway protocol read. Invariant: L1 (lines and
//! bytes are bounded; the oldest go first).

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines kept.
const LINES_MAX: usize = 5_000;
/// Bytes kept.
const BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Longest text of one line, in characters.
const TEXT_CHARS_MAX: usize = 4_000;

/// See the module. Cheap to clone; a layer of a tracing subscriber.
#[derive(Debug, Clone, Default)]
pub struct LogRing(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
    /// Bytes of the lines kept.
    held: u64,
    /// Bytes of all lines ever.
    end: u64,
}

/// Some lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The lines, oldest first.
    pub lines: Vec<String>,
    /// Where the next look begins.
    pub cursor: u64,
    /// Whether lines between the last look and these are left out.
    pub is_truncated: bool,
    /// Whether the place of the last look is gone, or never was.
    pub is_reset: bool,
}

impl LogRing {
    fn push(&self, line: String) {
        let mut ring = self.ring();
        let bytes = length(&line);
        ring.end += bytes;
        ring.held += bytes;
        ring.lines.push_back(line);
        while ring.lines.len() > LINES_MAX || ring.held > BYTES_MAX {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.held -= length(&oldest);
        }
    }

    /// The newest lines behind `cursor`, at most `limit` of them and `bytes_max` bytes.
    pub fn tail(&self, cursor: Option<u64>, limit: usize, bytes_max: u64) -> Tail {
        let ring = self.ring();
        let begin = ring.end - ring.held;
        let known = cursor.filter(|cursor| (begin..=ring.end).contains(cursor));
        let is_reset = cursor.is_some() && known.is_none();
        let (mut at, mut taken) = (ring.end, 0);
        let mut lines = VecDeque::new();
        let mut is_truncated = false;
        for line in ring.lines.iter().rev() {
            let start = at - length(line);
            if known.is_some_and(|cursor| start < cursor) {
                break;
            }
            if lines.len() >= limit || taken + length(line) > bytes_max {
                is_truncated = known.is_some() || !lines.is_empty();
                break;
            }
            taken += length(line);
            lines.push_front(line.clone());
            at = start;
        }
        Tail { lines: lines.into(), cursor: ring.end, is_truncated, is_reset }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With its end.
fn length(line: &str) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(1)
}

impl<S: Subscriber> Layer<S> for LogRing {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let (level, name) = (event.metadata().level().as_str(), event.metadata().target());
        let text = said.text();
        let time = jiff::Timestamp::now().to_string();
        let line = json!({
            "0": json!({"subsystem": name}).to_string(),
            "1": text,
            "_meta": {
                "runtime": "telson",
                "date": time,
                "logLevelName": level,
                "name": json!({"subsystem": name}).to_string(),
            },
            "time": time,
            "message": text,
        });
        self.push(line.to_string());
    }
}

/// The fields of an event.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, text: String) {
        let text: String = text.chars().take(TEXT_CHARS_MAX).collect();
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.insert(field.name().to_owned(), text.into());
        }
    }

    fn text(self) -> String {
        let fields = self.fields.iter().map(|(name, value)| {
            let value = value.as_str().unwrap_or_default();
            format!(" {name}={value}")
        });
        fields.fold(self.message, |text, field| text + &field)
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn an_event_becomes_a_line_that_clients_can_read() {
        let ring = LogRing::default();
        let subscriber = tracing_subscriber::registry().with(ring.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(chat = "anna", "a reply is late");
        });
        let tail = ring.tail(None, 10, 10_000);
        let line: Value = serde_json::from_str(&tail.lines[0]).unwrap();
        assert_eq!(line["message"], "a reply is late chat=anna");
        assert_eq!(line["_meta"]["logLevelName"], "WARN");
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_place_that_is_gone_is_said_to_be() {
        let ring = LogRing::default();
        for number in 0..LINES_MAX + 10 {
            ring.push(number.to_string());
        }
        assert!(ring.tail(Some(0), 5, 1_000).is_reset);
        assert!(ring.tail(Some(u64::MAX), 5, 1_000).is_reset);
        assert_eq!(ring.tail(None, 2, 1_000).lines, ["5008", "5009"]);
        assert!(ring.tail(None, LINES_MAX, 10).is_truncated);
    }

    proptest! {
        // Whoever reads on from the last cursor sees each line once, whatever the limits.
        #[test]
        fn reading_on_misses_nothing_it_does_not_tell(
            steps in prop::collection::vec((0usize..20, 1usize..30, 20u64..500), 1..30)
        ) {
            let ring = LogRing::default();
            let (mut next, mut cursor) = (0u32, 0);
            for (pushed, limit, bytes) in steps {
                let first = next;
                for _ in 0..pushed {
                    ring.push(format!("line {next}"));
                    next += 1;
                }
                let tail = ring.tail(Some(cursor), limit, bytes);
                let all: Vec<String> = (first..next).map(|n| format!("line {n}")).collect();
                prop_assert!(all.ends_with(&tail.lines), "{:?} of {all:?}", tail.lines);
                prop_assert_eq!(tail.is_truncated, tail.lines.len() < all.len());
                prop_assert!(!tail.is_reset);
                cursor = tail.cursor;
            }
        }
    }
}
