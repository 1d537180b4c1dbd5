//! What of a conversation the model is shown. A tool call and its result are never parted: an
//! exchange is shown whole, or not at all, or is covered by the summary.

use std::collections::VecDeque;

use super::estimate::{of_message, of_text};
use super::record::Summary;
use super::rules::ContextRules;
use crate::provider::{Part, Role, ToolResult, TurnMessage};
use crate::tool::cap::cap;

/// An exchange, as the model is shown it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Its turn.
    pub turn: u64,
    /// What the model was asked.
    pub prompt: String,
    /// What it and its tools said in between.
    pub steps: Vec<TurnMessage>,
    /// What it answered.
    pub answer: String,
}

/// How much is left out, in the order in which it is tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing.
    #[default]
    Whole,
    /// The middle of old tool results.
    Trimmed,
    /// Older exchanges as well.
    Recent,
    /// All exchanges, and the middle of tool results of this turn too.
    Bare,
}

/// Where the conversation is taken from.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What stands for the oldest exchanges.
    pub summary: Option<&'a Summary>,
    /// The exchanges behind it, oldest first.
    pub past: &'a VecDeque<Past>,
    /// The limits.
    pub rules: &'a ContextRules,
    /// How much is left out.
    pub stage: Stage,
}

/// Characters of a tool result that is trimmed.
const TRIMMED_CHARS: usize = 3000;
/// Characters of a tool result in a turn that hardly fits.
const BARE_CHARS: usize = 1000;

/// The conversation of a turn: the summary, the exchanges, the prompt, and its steps so far.
pub fn conversation(view: &View<'_>, prompt: &str, steps: Vec<TurnMessage>) -> Vec<TurnMessage> {
    let View { summary, past, rules, stage } = *view;
    let whole = rules.result_chars();
    let old = if stage == Stage::Whole { whole } else { whole.min(TRIMMED_CHARS) };
    let shown = match stage {
        Stage::Whole | Stage::Trimmed => past.len(),
        Stage::Recent => rules.recent(past),
        Stage::Bare => 0,
    };
    let mut messages = Vec::with_capacity(shown * 2 + 3 + steps.len());
    if summary.is_some() || shown < past.len() {
        let text = beginning(summary, past.len() - shown);
        messages.push(TurnMessage::text(Role::User, &text));
        messages.push(TurnMessage::text(Role::Assistant, "Understood."));
    }
    for exchange in past.iter().skip(past.len() - shown) {
        messages.push(TurnMessage::text(Role::User, &exchange.prompt));
        messages.extend(exchange.steps.iter().map(|message| trimmed(message, old)));
        messages.push(TurnMessage::text(Role::Assistant, &exchange.answer));
    }
    messages.push(TurnMessage::text(Role::User, prompt));
    // The newest results are what the model has asked for: they are cut last.
    let newest = steps.len().saturating_sub(1);
    for (at, message) in steps.into_iter().enumerate() {
        let max = match stage {
            Stage::Whole => whole,
            Stage::Trimmed | Stage::Recent if at == newest => whole,
            Stage::Trimmed | Stage::Recent => old,
            Stage::Bare => whole.min(BARE_CHARS),
        };
        messages.push(trimmed(&message, max));
    }
    messages
}

/// What stands before the exchanges that are shown.
fn beginning(summary: Option<&Summary>, left_out: usize) -> String {
    let mut text = String::from("[Written by the gateway, not by a person.");
    if let Some(summary) = summary {
        text.push_str(" The conversation so far, in short:]\n");
        text.push_str(&summary.text);
    } else {
        text.push(']');
    }
    if left_out > 0 {
        let exchanges = if left_out == 1 { "exchange is" } else { "exchanges are" };
        text.push_str(&format!("\n[{left_out} more {exchanges} left out for want of room.]"));
    }
    text
}

/// A message whose tool results have at most `max` characters.
fn trimmed(message: &TurnMessage, max: usize) -> TurnMessage {
    let parts = message.parts.iter().map(|part| match part {
        Part::Result(result) => {
            Part::Result(ToolResult { text: cap(&result.text, max), ..result.clone() })
        }
        Part::Text(_) | Part::Reasoning(_) | Part::Call(_) | Part::Media(_) => part.clone(),
    });
    TurnMessage { role: message.role, parts: parts.collect() }
}

impl Past {
    /// Tokens of it, by estimate.
    pub fn tokens(&self) -> u64 {
        let steps = self.steps.iter().map(of_message);
        steps.fold(of_text(&self.prompt) + of_text(&self.answer) + 8, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::{ToolCall, ToolStatus};

    fn call(id: usize, length: usize) -> [TurnMessage; 2] {
        let (id, name) = (id.to_string(), "look".to_owned());
        let result = ToolResult {
            call: id.clone(),
            name: name.clone(),
            text: "x ".repeat(length),
            status: ToolStatus::Done,
        };
        let call = ToolCall { id, name, arguments: "{}".into(), signature: None };
        [
            TurnMessage { role: Role::Assistant, parts: vec![Part::Call(call)] },
            TurnMessage { role: Role::User, parts: vec![Part::Result(result)] },
        ]
    }

    fn past(results: &[usize]) -> VecDeque<Past> {
        let exchange = |(turn, length): (usize, &usize)| Past {
            turn: u64::try_from(turn).unwrap(),
            prompt: format!("question {turn}"),
            steps: if *length == 0 { vec![] } else { call(turn, *length).to_vec() },
            answer: format!("answer {turn}"),
        };
        results.iter().enumerate().map(exchange).collect()
    }

    fn tokens(messages: &[TurnMessage]) -> u64 {
        messages.iter().map(of_message).sum()
    }

    proptest! {
        // Whatever the stage: calls have their results, and every stage is at most as long as the
        // one before, but for the sentence that says what is missing.
        #[test]
        fn each_stage_is_shorter_and_parts_no_call_from_its_result(
            results in prop::collection::vec(0usize..6000, 0..8),
            own in prop::collection::vec(1usize..9000, 0..4),
            window in 1_000u64..300_000, keep in 0u64..20_000,
        ) {
            let past = past(&results);
            let rules = ContextRules { window: Some(window), keep_tokens: keep, ..ContextRules::default() };
            let steps: Vec<_> =
                own.iter().enumerate().flat_map(|(id, length)| call(100 + id, *length)).collect();
            let mut before = u64::MAX;
            for stage in [Stage::Whole, Stage::Trimmed, Stage::Recent, Stage::Bare] {
                let view = View { summary: None, past: &past, rules: &rules, stage };
                let messages = conversation(&view, "now", steps.clone());
                let mut open: Vec<&str> = Vec::new();
                for part in messages.iter().flat_map(|message| &message.parts) {
                    match part {
                        Part::Call(call) => open.push(&call.id),
                        Part::Result(result) => {
                            prop_assert_eq!(open.pop(), Some(result.call.as_str()));
                        }
                        Part::Text(_) | Part::Reasoning(_) | Part::Media(_) => {
                            prop_assert!(open.is_empty());
                        }
                    }
                }
                prop_assert!(open.is_empty());
                let now = tokens(&messages);
                prop_assert!(now <= before.saturating_add(50), "{stage:?}: {now} after {before}");
                before = now;
                let asked = messages.iter().any(|message| *message == TurnMessage::text(Role::User, "now"));
                prop_assert!(asked, "the prompt is always there");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let past = past(&[0, 0, 0]);
        let rules = ContextRules::default();
        let view = View { summary: None, past: &past, rules: &rules, stage: Stage::Bare };
        let messages = conversation(&view, "now", vec![]);
        assert!(format!("{messages:?}").contains("3 more exchanges are left out"), "{messages:?}");
    }
}
