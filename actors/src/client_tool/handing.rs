//! Which tools a model is offered, and what becomes of its calls of those that are a client's. Pure.

use super::record::ClientTools;
use crate::provider::{Completion, Part, ToolCall, ToolResult, ToolSpec, ToolStatus};

/// What a client is told that asks again, and what a model reads, in place of a result.
const HANDED: &str = "This tool runs at the client that asked. The call was handed over to it; its \
                      result comes with the next message.";
/// The same for a tool of the agent that was called in the same answer.
const NOT_MADE: &str = "This call was not made: the same answer called tools of the client, which \
                        ended the turn. Call it again if it is still wanted.";

/// The client's tools of one turn: those of all its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    specs: Vec<ToolSpec>,
    is_alone: bool,
    must_call: bool,
}

impl Offered {
    /// Those of some messages; of two with one name the older counts.
    pub fn of(messages: impl IntoIterator<Item = ClientTools>) -> Self {
        let mut offered = Self::default();
        for ClientTools { tools, is_alone, must_call, .. } in messages {
            (offered.is_alone, offered.must_call) =
                (offered.is_alone || is_alone, offered.must_call || must_call);
            for tool in tools {
                if offered.has(&tool.name) {
                    continue;
                }
                // It was checked when it came.
                let parameters = serde_json::from_str(&tool.parameters)
                    .unwrap_or_else(|_| serde_json::json!({"type": "object"}));
                let (name, description) = (tool.name, tool.description);
                offered.specs.push(ToolSpec { name, description, parameters });
            }
        }
        offered
    }

    /// Whether a tool of this name is one of the client's.
    pub fn has(&self, name: &str) -> bool {
        self.specs.iter().any(|spec| spec.name == name)
    }

    /// Whether the model has to call one of them.
    pub fn must_call(&self) -> bool {
        self.must_call && !self.specs.is_empty()
    }

    /// What the model is told, in the order of names. An own tool that has come up since under the
    /// name of a client's gives way for this turn.
    pub fn beside(&self, own: Vec<ToolSpec>) -> Vec<ToolSpec> {
        if self.specs.is_empty() {
            return own;
        }
        let own = own.into_iter().filter(|spec| !self.is_alone && !self.has(&spec.name));
        let mut all: Vec<ToolSpec> = own.chain(self.specs.iter().cloned()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Whether an answer ends the turn because it calls a tool of the client.
    pub fn are_called(&self, completion: &Completion) -> bool {
        completion.calls().any(|call| self.has(&call.name))
    }

    /// Gives the client's calls ids that no other call of its conversation has: some providers count
    /// from nought in each answer, or give several calls one id, and a client matches results by it.
    /// Ids that are more than a count stay, for their providers may know them again.
    pub fn tell_apart(&self, turn: u64, completion: &mut Completion) {
        let ids: Vec<String> = completion.calls().map(|call| call.id.clone()).collect();
        let is_shared = |id: &String| ids.iter().filter(|other| *other == id).count() > 1;
        let calls = completion.parts.iter_mut().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            Part::Text(_) | Part::Reasoning(_) | Part::Result(_) | Part::Media(_) => None,
        });
        for (index, call) in calls.enumerate() {
            if self.has(&call.name) && (is_count(&call.id) || is_shared(&call.id)) {
                call.id = format!("call_{turn}_{index}");
            }
        }
    }

    /// What stands in place of the results of such an answer, call by call.
    pub fn in_place_of_results(&self, completion: &Completion) -> Vec<ToolResult> {
        let result = |call: &ToolCall| {
            let is_clients = self.has(&call.name);
            let (text, status) = if is_clients {
                (HANDED, ToolStatus::Handed)
            } else {
                (NOT_MADE, ToolStatus::Failed)
            };
            let (call, name) = (call.id.clone(), call.name.clone());
            ToolResult { call, name, text: text.to_owned(), status }
        };
        completion.calls().map(result).collect()
    }
}

/// Whether an id is nothing but a place in its answer.
fn is_count(id: &str) -> bool {
    let count = id.strip_prefix("call_").unwrap_or(id);
    count.len() <= 6 && count.bytes().all(|byte| byte.is_ascii_digit())
}

/// The results among some parts.
pub fn results(parts: &[Part]) -> impl Iterator<Item = &ToolResult> {
    parts.iter().filter_map(|part| match part {
        Part::Result(result) => Some(result),
        Part::Text(_) | Part::Reasoning(_) | Part::Call(_) | Part::Media(_) => None,
    })
}

/// The calls among `asked` that `answered` marks as handed over to the client.
pub fn handed<'a>(asked: &'a [Part], answered: &[Part]) -> Vec<&'a ToolCall> {
    let mut handed = results(answered).filter(|result| result.status == ToolStatus::Handed);
    let mut next = handed.next();
    let mut calls = Vec::new();
    for part in asked {
        // In one order: some providers give several calls the same id.
        if let (Part::Call(call), Some(result)) = (part, next)
            && call.id == result.call
            && call.name == result.name
        {
            calls.push(call);
            next = handed.next();
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client_tool::ClientTool;
    use crate::clock::Timestamp;

    fn tools(names: &[&str], is_alone: bool) -> ClientTools {
        let tool = |name: &&str| ClientTool {
            name: (*name).to_owned(),
            description: String::new(),
            parameters: r#"{"type":"object"}"#.into(),
        };
        let tools = names.iter().map(tool).collect();
        ClientTools { at: Timestamp(0), tools, is_alone, must_call: is_alone }
    }

    fn spec(name: &str) -> ToolSpec {
        let (name, description) = (name.to_owned(), String::from("own"));
        ToolSpec { name, description, parameters: serde_json::json!({}) }
    }

    #[test]
    fn the_clients_tools_stand_beside_the_agents_own_or_instead() {
        let names = |specs: Vec<ToolSpec>| {
            specs.into_iter().map(|spec| (spec.name, spec.description)).collect::<Vec<_>>()
        };
        let pair = |name: &str, about: &str| (name.to_owned(), about.to_owned());
        let own = || vec![spec("a"), spec("c")];
        let beside = Offered::of([tools(&["b", "c"], false), tools(&["b"], false)]);
        assert_eq!(names(beside.beside(own())), [pair("a", "own"), pair("b", ""), pair("c", "")]);
        assert!(!beside.must_call());
        let alone = Offered::of([tools(&["b"], true)]);
        assert_eq!(names(alone.beside(own())), [pair("b", "")]);
        assert!(alone.must_call());
        assert_eq!(names(Offered::default().beside(own())), [pair("a", "own"), pair("c", "own")]);
    }

    #[test]
    fn calls_of_a_conversation_are_told_apart() {
        let offered = Offered::of([tools(&["a", "b"], false)]);
        let ids = |turn, given: &[(&str, &str)]| {
            let mut completion = Completion::text("let me see");
            for (id, name) in given {
                let (id, name) = ((*id).to_owned(), (*name).to_owned());
                let arguments = "{}".to_owned();
                completion.parts.push(Part::Call(ToolCall {
                    id,
                    name,
                    arguments,
                    signature: None,
                }));
            }
            offered.tell_apart(turn, &mut completion);
            completion.calls().map(|call| call.id.clone()).collect::<Vec<_>>()
        };
        let counted = [("call_0", "a"), ("1", "b"), ("call_2", "own")];
        assert_eq!(ids(7, &counted), ["call_7_0", "call_7_1", "call_2"]);
        assert_eq!(ids(8, &counted)[..2], ["call_8_0", "call_8_1"]);
        let known = [("call_Ab3dEf6hIj9l", "a"), ("x", "a"), ("x", "b")];
        assert_eq!(ids(9, &known), ["call_Ab3dEf6hIj9l", "call_9_1", "call_9_2"]);
    }

    proptest! {
        // D7: of the calls of an answer exactly the client's are handed over, in their order.
        #[test]
        fn exactly_the_clients_calls_are_handed_over(
            calls in prop::collection::vec(("[ab]", "[a-d]"), 0..8),
        ) {
            let offered = Offered::of([tools(&["a", "b"], false)]);
            let mut completion = Completion::text("let me see");
            for (id, name) in &calls {
                let (id, name) = (id.clone(), name.clone());
                let arguments = "{}".to_owned();
                completion.parts.push(Part::Call(ToolCall { id, name, arguments, signature: None }));
            }
            let answered: Vec<Part> =
                offered.in_place_of_results(&completion).into_iter().map(Part::Result).collect();
            prop_assert_eq!(answered.len(), calls.len());
            let found: Vec<(String, String)> = handed(&completion.parts, &answered)
                .into_iter().map(|call| (call.id.clone(), call.name.clone())).collect();
            let wanted: Vec<(String, String)> =
                calls.iter().filter(|(_, name)| name == "a" || name == "b").cloned().collect();
            prop_assert_eq!(offered.are_called(&completion), !wanted.is_empty());
            prop_assert_eq!(found, wanted);
        }
    }
}
