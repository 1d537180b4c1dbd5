//! What a person is told while an answer does not come: on a terminal one line that counts down and
//! is replaced, elsewhere a line of its own on standard error, for a program an object.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::output::{Output, Tone};
use super::super::terminal;
use super::attempt::Attempt;

/// Failures repeated in the document of one answer.
const KEPT_MAX: usize = 100;
/// How often the line on a terminal is written anew.
const EVERY: Duration = Duration::from_secs(1);
/// Back to the beginning of the line, and nothing behind it.
const ERASE: &str = "\r\x1b[K";

/// What is told of models that give no answer.
#[derive(Debug)]
pub(super) struct Waiting {
    output: Output,
    /// Whether a line can be replaced: somebody looks at a terminal that can do it.
    is_live: bool,
    attempt: Option<(Attempt, Instant)>,
    is_shown: bool,
    heard: Vec<Value>,
}

impl Waiting {
    /// Nothing yet. A program reads what is printed where `is_script`.
    pub(super) fn new(output: Output, is_script: bool) -> Self {
        let is_live = !is_script && !output.is_json() && terminal::moves_the_cursor();
        Self { output, is_live, attempt: None, is_shown: false, heard: Vec::new() }
    }

    /// Another message is waited for.
    pub(super) fn begin(&mut self) {
        self.heard.clear();
    }

    /// A model has given no answer: the payload of a `telson.attempt` event.
    pub(super) fn hear(&mut self, event: &Value) {
        if self.heard.len() < KEPT_MAX {
            self.heard.push(event.clone());
        }
        let attempt = Attempt::read(event);
        if self.is_live {
            self.attempt = Some((attempt.clone(), Instant::now() + attempt.pause));
            self.draw();
        } else if self.output.is_json() {
            self.output.aside(&json!({"attempt": event}).to_string());
        } else {
            self.output.aside(&attempt.line(attempt.pause, None));
        }
    }

    /// What was heard since the beginning; of very much only the first.
    pub(super) fn heard(&self) -> &[Value] {
        &self.heard
    }

    /// Returns when the line is to be written anew; never where there is none.
    pub(super) async fn due(&self) {
        match &self.attempt {
            Some(_) => tokio::time::sleep(EVERY).await,
            None => std::future::pending().await,
        }
    }

    /// Writes the line as it is now.
    pub(super) fn draw(&mut self) {
        let Some((attempt, until)) = &self.attempt else { return };
        let left = until.saturating_duration_since(Instant::now());
        // The last column stays free: some terminals go to the next line behind it.
        let columns = terminal::columns().map(|columns| columns.saturating_sub(1));
        let line = self.output.paint(Tone::Dim, &attempt.line(left, columns));
        self.output.write(&format!("{ERASE}{line}"));
        self.is_shown = true;
    }

    /// The answer goes on, or is over: the line is gone.
    pub(super) fn end(&mut self) {
        self.attempt = None;
        if std::mem::take(&mut self.is_shown) {
            self.output.write(ERASE);
        }
    }
}
