//! What has arrived of one answer, and the rules by which it becomes a completion or a failure.

use serde_json::Value;

use super::classify::failure;
use super::{Completion, Failure, FailureClass, Part, Reasoning, StopReason, ToolCall, Usage};

/// Tool calls in one answer. A model that asks for more has gone astray.
const CALLS_MAX: usize = 128;

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
    /// What has been said so far, in order.
    parts: Vec<Part>,
    /// The provider's own numbers of the calls among the parts.
    calls: Vec<(u64, usize)>,
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
        if !matches!(self.parts.last(), Some(Part::Text(_))) {
            self.parts.push(Part::Text(String::new()));
        }
        let Some(Part::Text(text)) = self.parts.last_mut() else { return Progress::Quiet };
        let start = text.len();
        text.push_str(piece);
        Progress::Text(&text[start..])
    }

    /// Adds to the tool call the provider numbers `number`: what comes as a piece is joined, what
    /// comes whole (id, name) is set once.
    pub(super) fn add_call(&mut self, number: u64, id: &str, name: &str, arguments: &str) {
        let call = match self.calls.iter().find(|(known, _)| *known == number) {
            Some((_, at)) => self.parts.get_mut(*at),
            None if self.calls.len() < CALLS_MAX => {
                self.calls.push((number, self.parts.len()));
                self.parts.push(Part::Call(ToolCall {
                    id: String::new(),
                    name: String::new(),
                    arguments: String::new(),
                    signature: None,
                }));
                self.parts.last_mut()
            }
            None => None,
        };
        let Some(Part::Call(call)) = call else { return };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(arguments);
    }

    /// Sets the signature of a call; an empty one is none.
    pub(super) fn sign_call(&mut self, number: u64, signature: &str) {
        let at = self.calls.iter().find(|(known, _)| *known == number).map(|(_, at)| *at);
        if let Some(Part::Call(call)) = at.and_then(|at| self.parts.get_mut(at))
            && !signature.is_empty()
        {
            call.signature = Some(signature.to_owned());
        }
    }

    /// Adds thinking in the provider's own JSON.
    pub(super) fn add_reasoning(&mut self, format: &str, block: String) {
        self.parts.push(Part::Reasoning(Reasoning { format: format.to_owned(), block }));
    }

    /// A completion needs text or calls; the lack of both is a failure named by the reason to stop.
    pub(super) fn finish(mut self) -> Result<Completion, Failure> {
        self.parts.retain(|part| !matches!(part, Part::Call(call) if call.name.is_empty()));
        self.complete_calls();
        let has_calls = self.parts.iter().any(|part| matches!(part, Part::Call(_)));
        let stop = match self.stop.unwrap_or(StopReason::End) {
            // Some servers say "stop" although they ask for a tool.
            StopReason::End if has_calls => StopReason::Tools,
            StopReason::Tools if !has_calls => StopReason::End,
            stop => stop,
        };
        let usage = self.usage;
        let completion = Completion { parts: self.parts, usage: self.usage, stop };
        if has_calls || !completion.plain().trim().is_empty() {
            return Ok(completion);
        }
        let (class, message) = match stop {
            StopReason::End | StopReason::Tools => {
                (FailureClass::EmptyResponse, "the model answered without any text")
            }
            StopReason::Length => (
                FailureClass::EmptyResponse,
                "the model reached its output limit before it wrote any text",
            ),
            StopReason::Refusal => {
                (FailureClass::Unclassified, "the model answered with a refusal and no text")
            }
        };
        Err(Failure { usage, ..failure(class, message) })
    }

    /// Calls without an id get one, as results are matched by it; no arguments are an empty object.
    fn complete_calls(&mut self) {
        let calls = self.parts.iter_mut().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            Part::Text(_) | Part::Reasoning(_) | Part::Result(_) | Part::Media(_) => None,
        });
        for (number, call) in calls.enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{number}");
            }
            if call.arguments.trim().is_empty() {
                "{}".clone_into(&mut call.arguments);
            }
        }
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
            let whole = answer.finish().map(|completion| completion.plain());
            prop_assert_eq!(whole.is_ok(), !seen.trim().is_empty());
            prop_assert_eq!(whole.unwrap_or(seen.clone()), seen);
        }

        #[test]
        fn a_completion_has_text_and_its_lack_is_a_failure(text in "[ \\na]{0,3}", stop in stops()) {
            let blank = text.trim().is_empty();
            let mut answer = Answer { stop, ..Answer::default() };
            answer.add(&text);
            match answer.finish() {
                Ok(completion) => {
                    prop_assert!(!blank);
                    prop_assert_eq!(completion.plain(), text);
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

        #[test]
        fn calls_are_joined_by_their_number(
            pieces in proptest::collection::vec((0u64..4, "[a-z]{0,3}"), 0..20),
        ) {
            let mut answer = Answer::default();
            let mut wanted = std::collections::BTreeMap::<u64, String>::new();
            for (number, piece) in &pieces {
                answer.add_call(*number, "", &format!("tool{number}"), piece);
                wanted.entry(*number).or_default().push_str(piece);
            }
            let Ok(completion) = answer.finish() else {
                prop_assert!(pieces.is_empty());
                return Ok(());
            };
            prop_assert_eq!(completion.stop, StopReason::Tools);
            prop_assert_eq!(completion.calls().count(), wanted.len());
            for call in completion.calls() {
                let number = call.name.trim_start_matches("tool").parse::<u64>().unwrap();
                let wanted = wanted.get(&number).map(String::as_str).filter(|text| !text.is_empty());
                prop_assert_eq!(call.arguments.as_str(), wanted.unwrap_or("{}"));
                prop_assert!(!call.id.is_empty());
            }
        }
    }
}
