//! The live picture: one line per message, as the service reports its journey.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::cli::output::{Output, Tone};
use crate::cli::time::duration;
use crate::control::Client;

/// Follows the service's events and prints what happens. Cheap to clone.
#[derive(Clone)]
pub(super) struct Journeys {
    output: Output,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Message number to its text and the time of its admission.
    admitted: HashMap<u64, (String, i64)>,
    /// Entry number to the number of the first message it answers.
    answers: HashMap<u64, u64>,
}

impl Journeys {
    pub(super) fn new(output: Output) -> Self {
        Self { output, known: Arc::default() }
    }

    /// Reads the events of one life of the service until it ends.
    pub(super) fn follow(&self, mut client: Client) {
        if self.output.is_json() {
            return;
        }
        let journeys = self.clone();
        // A display: nothing depends on it, and the process ends right after it.
        #[expect(clippy::disallowed_methods, reason = "the command line has no supervisor")]
        tokio::spawn(async move {
            if client.call("telson.events.subscribe", json!({})).await.is_err() {
                return;
            }
            while let Some((_, event)) = client.event().await {
                journeys.note(&event);
            }
        });
    }

    fn note(&self, event: &Value) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = event["at"].as_i64().unwrap_or_default();
        let number = |key: &str| event[key].as_u64().unwrap_or_default();
        match event["event"].as_str().unwrap_or_default() {
            "admitted" => {
                let text = event["excerpt"].as_str().unwrap_or_default().to_owned();
                known.admitted.insert(number("message"), (text, at));
            }
            "answered" => {
                for entry in event["entries"].as_array().into_iter().flatten() {
                    known.answers.insert(entry.as_u64().unwrap_or_default(), number("turn"));
                }
            }
            "delivered" => self.delivered(&known, number("entry"), at),
            "in_doubt" => self.output.say(&self.output.paint(
                Tone::Warn,
                &format!("e{} in doubt: looking for evidence in chat.db", number("entry")),
            )),
            _ => {}
        }
    }

    fn delivered(&self, known: &Known, entry: u64, at: i64) {
        let answer = known.answers.get(&entry).and_then(|turn| {
            known.admitted.get(turn).map(|(text, since)| (turn, text, at - since))
        });
        let line = match answer {
            Some((turn, text, millis)) => {
                let took = duration(u64::try_from(millis).unwrap_or_default());
                format!("m{turn} admitted -> e{entry} delivered in {took}  {text}")
            }
            None => format!("e{entry} delivered (admitted before the kill)"),
        };
        self.output.say(&line);
    }
}
