//! One run as it is heard: what to print next, and when it is over. No IO.

use serde_json::Value;

/// The run that is listened to.
#[derive(Debug)]
pub(super) struct Transcript {
    run: String,
    shown: String,
}

/// What an event of the gateway means for the run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// More of the answer.
    More(String),
    /// It is over; so much of the answer was still missing.
    Over(String, Ending),
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// With an answer.
    Answered,
    /// Somebody stopped it.
    Stopped,
    /// It failed, and why.
    Failed(String),
}

impl Transcript {
    /// Listens to a run.
    pub(super) fn of(run: &str) -> Self {
        Self { run: run.to_owned(), shown: String::new() }
    }

    /// Which run it is.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// The answer so far.
    pub(super) fn answer(&self) -> &str {
        &self.shown
    }

    /// Whether the payload of a `chat` event is about this run.
    pub(super) fn is_of(&self, event: &Value) -> bool {
        event["runId"] == self.run.as_str()
    }

    /// Takes in the payload of a `chat` event.
    pub(super) fn hear(&mut self, event: &Value) -> Heard {
        if !self.is_of(event) {
            return Heard::Nothing;
        }
        let said = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let whole = text_of(&event["message"]);
        match event["state"].as_str() {
            Some("delta") => {
                let grown = match whole {
                    Some(whole) => self.grow(whole),
                    None if event["replace"] == true => self.grow(said("deltaText")),
                    None => self.grow(format!("{}{}", self.shown, said("deltaText"))),
                };
                if grown.is_empty() { Heard::Nothing } else { Heard::More(grown) }
            }
            Some("final") => Heard::Over(self.last(whole), Ending::Answered),
            Some("aborted") => Heard::Over(self.last(whole), Ending::Stopped),
            Some("error") => {
                let why = Some(said("errorMessage")).filter(|why| !why.is_empty());
                let why = why.unwrap_or_else(|| "the run failed".into());
                Heard::Over(self.last(whole), Ending::Failed(why))
            }
            _ => Heard::Nothing,
        }
    }

    fn last(&mut self, whole: Option<String>) -> String {
        whole.map(|whole| self.grow(whole)).unwrap_or_default()
    }

    /// The answer is `whole` by now; says what to print after what was printed. What was printed
    /// can't be taken back, so another text begins on a line of its own.
    fn grow(&mut self, whole: String) -> String {
        let more = match whole.strip_prefix(self.shown.as_str()) {
            Some(more) => more.to_owned(),
            None => format!("\n{whole}"),
        };
        self.shown = whole;
        more
    }
}

/// The text of a message, whose content is a text or a list of parts.
pub(super) fn text_of(message: &Value) -> Option<String> {
    match &message["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["type"] == "text");
            let texts: Vec<_> = texts.filter_map(|part| part["text"].as_str()).collect();
            Some(texts.join("\n"))
        }
        _ => None,
    }
}

/// A foreign text for a terminal: nothing in it moves the cursor or changes its colours.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn delta(piece: &str, whole: &str) -> Value {
        let message = json!({"role": "assistant", "content": [{"type": "text", "text": whole}]});
        json!({"runId": "r", "state": "delta", "deltaText": piece, "message": message})
    }

    #[test]
    fn an_answer_is_printed_once_whatever_is_repeated_or_missing() {
        let mut run = Transcript::of("r");
        assert_eq!(run.hear(&delta("a", "a")), Heard::More("a".into()));
        assert_eq!(run.hear(&delta("a", "a")), Heard::Nothing);
        // A piece between was missed.
        assert_eq!(run.hear(&delta("c", "abc")), Heard::More("bc".into()));
        let over = json!({"runId": "r", "state": "final", "message": {"content": "abcd"}});
        assert_eq!(run.hear(&over), Heard::Over("d".into(), Ending::Answered));
        assert_eq!(run.answer(), "abcd");
    }

    #[test]
    fn an_answer_that_begins_anew_gets_its_own_line() {
        let mut run = Transcript::of("r");
        run.hear(&delta("abc", "abc"));
        let other = json!({"runId": "r", "state": "delta", "deltaText": "xyz", "replace": true});
        assert_eq!(run.hear(&other), Heard::More("\nxyz".into()));
    }

    #[test]
    fn other_runs_and_other_states_are_not_its_own() {
        let mut run = Transcript::of("r");
        for event in [
            json!({"runId": "s", "state": "final"}),
            json!({"runId": "r", "state": "status", "phase": "starting_model"}),
            json!({}),
        ] {
            assert_eq!(run.hear(&event), Heard::Nothing, "{event}");
        }
        let failed = json!({"runId": "r", "state": "error", "errorMessage": "no model"});
        assert_eq!(
            run.hear(&failed),
            Heard::Over(String::new(), Ending::Failed("no model".into()))
        );
    }

    proptest! {
        #[test]
        fn pieces_come_out_as_the_whole(pieces: Vec<String>) {
            let (mut run, mut whole, mut printed) = (Transcript::of("r"), String::new(), String::new());
            for piece in &pieces {
                whole.push_str(piece);
                if let Heard::More(more) = run.hear(&delta(piece, &whole)) {
                    printed.push_str(&more);
                }
            }
            prop_assert_eq!(printed, whole);
        }

        #[test]
        fn nothing_foreign_reaches_the_terminal(text: String) {
            prop_assert!(printable(&text).chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }
}
