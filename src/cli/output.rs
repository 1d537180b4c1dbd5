//! Text for people, one JSON document for programs.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use serde_json::Value;

use super::table::lines;
use super::terminal;

/// Why standard output does not take what is printed, since it does not. It is one for the process.
static REFUSAL: OnceLock<String> = OnceLock::new();

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    color: bool,
    no_color: bool,
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Deserves a look.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point.
    Dim,
    /// A heading.
    Bold,
}

impl Output {
    pub(super) fn new(json: bool, no_color: bool) -> Self {
        let unwanted = no_color || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = !json && !unwanted && std::io::stdout().is_terminal();
        Self { json, color, no_color: unwanted }
    }

    /// Whether the person has asked for no colour, whatever is written to.
    pub(super) fn refuses_color(self) -> bool {
        self.no_color
    }

    /// Whether a program reads.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints the document, or the text made from it.
    pub(super) fn show(self, document: &Value, text: impl FnOnce() -> String) {
        if self.json {
            self.line(&document.to_string());
        } else {
            self.line(text().trim_end());
        }
    }

    /// Prints one line.
    pub(super) fn line(self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    #[expect(clippy::unused_self, reason = "everything is printed through the output")]
    /// Prints a text as it is, at once. A reader that has gone is no error: it has seen enough.
    /// Anything else, such as a full disk, is remembered for [`Output::refusal`].
    pub(super) fn write(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
        {
            REFUSAL.get_or_init(|| error.to_string());
        }
    }

    /// Why something that was to be printed was not, if that is so.
    pub(super) fn refusal() -> Option<&'static str> {
        REFUSAL.get().map(String::as_str)
    }

    #[expect(clippy::unused_self, reason = "everything is printed through the output")]
    /// Prints a line beside the answers. Nobody has to read it.
    pub(super) fn aside(self, text: &str) {
        drop(writeln!(std::io::stderr().lock(), "{text}"));
    }

    /// Prints a line for people; a program does not get it.
    pub(super) fn say(self, text: &str) {
        if !self.json {
            self.line(text);
        }
    }

    /// Prints a failure: the document on standard output for programs, else text on standard error.
    pub(super) fn failure(self, document: &Value, text: &str) {
        if self.json {
            self.line(&document.to_string());
        } else {
            drop(writeln!(std::io::stderr().lock(), "telson: {text}"));
        }
    }

    /// The text in a tone, if this is a terminal.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Bold => "1",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A table: the first row is the heading. On a terminal it is no wider than that, where its texts can
/// be cut; whoever reads from a pipe gets all of it.
pub(super) fn table(output: Output, rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, line) in lines(rows, terminal::columns()).iter().enumerate() {
        text.push_str(&if index == 0 { output.paint(Tone::Bold, line) } else { line.clone() });
        text.push('\n');
    }
    text
}
