//! What has arrived of one answer, and the rules by which it becomes a completion or a failure.

use serde_json::Value;

use super::classify::failure;
use super::{Completion, Failure, FailureClass, StopReason, Usage};

/// What one wire format makes of the provider's bytes. Pure: it is fed, and it tells.
pub(super) trait Decoder: Send {
    /// Takes the data of one streamed event.
    fn event(&mut self, data: &str) -> Result<Progress<'_>, Failure>;

    /// Takes a whole answer in one JSON document.
    fn document(&mut self, body: &str) -> Result<Progress<'_>, Failure>;

    /// Whether the provider has said that the text is complete; more may follow, but no text.
    fn is_whole(&self) -> bool;

    /// The end of the call: what it has come to.
    fn finish(self) -> Result<Completion, Failure>;
}

/// What one piece of an answer has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress<'a> {
    /// Nothing to show.
    Quiet,
    /// More text.
    Text(&'a str),
    /// The last piece: nothing more needs to be read.
    Done,
    /// The provider reports an error; the piece itself is the error body.
    Error,
}

/// The parts of one answer, gathered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The text so far.
    pub(super) text: String,
    /// Tokens, as last reported.
    pub(super) usage: Usage,
    /// Why it ended, once known.
    pub(super) stop: Option<StopReason>,
}

impl Answer {
    /// Adds text and hands the same piece on.
    pub(super) fn add(&mut self, piece: &str) -> Progress<'_> {
        if piece.is_empty() {
            return Progress::Quiet;
        }
        let start = self.text.len();
        self.text.push_str(piece);
        Progress::Text(&self.text[start..])
    }

    /// A completion needs text; the lack of it is a failure named by the reason to stop.
    pub(super) fn finish(self) -> Result<Completion, Failure> {
        let stop = self.stop.unwrap_or(StopReason::End);
        if !self.text.trim().is_empty() {
            return Ok(Completion { text: self.text, usage: self.usage, stop });
        }
        let (class, message) = match stop {
            StopReason::End => (FailureClass::EmptyResponse, "the model answered without any text"),
            StopReason::Length => (
                FailureClass::EmptyResponse,
                "the model reached its output limit before it wrote any text",
            ),
            StopReason::Refusal => {
                (FailureClass::Unclassified, "the model answered with a refusal and no text")
            }
        };
        Err(failure(class, message))
    }
}

/// Reads one JSON document of an answer. The error never quotes the document.
pub(super) fn parse(data: &str) -> Result<Value, Failure> {
    serde_json::from_str(data).map_err(|error| {
        failure(FailureClass::Format, format!("the provider's answer holds broken JSON: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stops() -> impl Strategy<Value = Option<StopReason>> {
        prop_oneof![
            Just(None),
            Just(Some(StopReason::End)),
            Just(Some(StopReason::Length)),
            Just(Some(StopReason::Refusal)),
        ]
    }

    proptest! {
        #[test]
        fn pieces_add_up_to_the_whole(pieces in proptest::collection::vec(".*", 0..8)) {
            let mut answer = Answer::default();
            let mut seen = String::new();
            for piece in &pieces {
                match answer.add(piece) {
                    Progress::Text(text) => seen.push_str(text),
                    other => prop_assert!(piece.is_empty() && other == Progress::Quiet),
                }
            }
            prop_assert_eq!(&seen, &pieces.concat());
            prop_assert_eq!(seen, answer.text);
        }

        #[test]
        fn a_completion_has_text_and_its_lack_is_a_failure(text in "[ \\na]{0,3}", stop in stops()) {
            let blank = text.trim().is_empty();
            let answer = Answer { text: text.clone(), usage: Usage::default(), stop };
            match answer.finish() {
                Ok(completion) => {
                    prop_assert!(!blank);
                    prop_assert_eq!(completion.text, text);
                    prop_assert_eq!(completion.stop, stop.unwrap_or(StopReason::End));
                }
                Err(failure) => {
                    prop_assert!(blank);
                    let refused = stop == Some(StopReason::Refusal);
                    prop_assert_eq!(failure.class == FailureClass::Unclassified, refused);
                    prop_assert_eq!(failure.class == FailureClass::EmptyResponse, !refused);
                }
            }
        }
    }
}
