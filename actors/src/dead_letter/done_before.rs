//! What the turn of a dead message had done before it ended, kept beside the dead letter: its calls
//! are made again when the message is replayed.

use serde::{Deserialize, Serialize};

use super::record::DeadLetterId;
use crate::provider::{Part, ToolResult, ToolStatus, TurnMessage};
use crate::store::{Key, Record, Space};

/// The calls of one turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneBefore {
    /// In the order in which they were asked for; equal ones once.
    pub calls: Vec<DoneCall>,
}

/// Calls of one tool that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneCall {
    /// The tool.
    pub tool: String,
    /// How they ended.
    pub status: ToolStatus,
    /// How many.
    pub times: u32,
    /// Whether making them again changes nothing.
    pub is_harmless: bool,
}

impl Record for DoneBefore {
    const VERSION: u8 = 1;
}

/// Where it lives.
pub(crate) fn done_key(id: DeadLetterId) -> Key {
    Key::of(Space::DoneBefore).number(id.0)
}

impl DoneBefore {
    /// What a turn has done, by its messages so far. A call without a result may have taken effect.
    pub fn of(messages: &[TurnMessage], is_harmless: impl Fn(&str) -> bool) -> Self {
        let mut calls: Vec<DoneCall> = Vec::new();
        for ToolResult { name, status, .. } in messages.iter().flat_map(results) {
            match calls.iter_mut().find(|call| call.tool == *name && call.status == *status) {
                Some(call) => call.times = call.times.saturating_add(1),
                None => calls.push(DoneCall {
                    tool: name.clone(),
                    status: *status,
                    times: 1,
                    is_harmless: is_harmless(name),
                }),
            }
        }
        Self { calls }
    }

    /// The tools that would take effect again, each once.
    pub fn repeated(&self) -> Vec<&str> {
        let is_ours = |status| !matches!(status, ToolStatus::Failed | ToolStatus::Handed);
        let took_effect = |call: &&DoneCall| is_ours(call.status) && !call.is_harmless;
        let mut names: Vec<&str> =
            self.calls.iter().filter(took_effect).map(|call| call.tool.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl std::fmt::Display for DoneCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.status {
            ToolStatus::Done => "done",
            ToolStatus::Failed => "failed",
            ToolStatus::Unknown => "outcome unknown",
            ToolStatus::Handed => "handed to the client",
        };
        match self.times {
            1 => write!(f, "{}: {how}", self.tool),
            times => write!(f, "{}: {how} ({times} times)", self.tool),
        }
    }
}

fn results(message: &TurnMessage) -> impl Iterator<Item = &ToolResult> {
    message.parts.iter().filter_map(|part| match part {
        Part::Result(result) => Some(result),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Role;

    #[test]
    fn only_what_took_effect_and_is_not_harmless_is_repeated() {
        let result = |name: &str, status| {
            let (call, text) = ("c".to_owned(), String::new());
            Part::Result(ToolResult { call, name: name.to_owned(), text, status })
        };
        let parts = vec![
            result("pay", ToolStatus::Done),
            result("pay", ToolStatus::Done),
            result("read", ToolStatus::Done),
            result("post", ToolStatus::Unknown),
            result("mail", ToolStatus::Failed),
        ];
        let messages = [TurnMessage { role: Role::User, parts }];
        let done = DoneBefore::of(&messages, |name| name == "read");
        let shown: Vec<String> = done.calls.iter().map(ToString::to_string).collect();
        let expected =
            ["pay: done (2 times)", "read: done", "post: outcome unknown", "mail: failed"];
        assert_eq!(shown, expected);
        assert_eq!(done.repeated(), ["pay", "post"]);
    }
}
