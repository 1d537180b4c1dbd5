//! From the messages of a request to the one text a session gets. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::asked::Conversation;
use super::images::{Image, PLACEHOLDER, image};
use crate::gateway::http::error::HttpError;

/// Who says something in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    User,
    Assistant,
    Tool,
}

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SaidIn {
    pub(super) who: Who,
    pub(super) text: String,
    pub(super) images: Vec<Image>,
}

impl SaidIn {
    /// Text alone.
    pub(super) fn new(who: Who, text: impl Into<String>) -> Self {
        Self { who, text: text.into(), images: Vec::new() }
    }

    /// The text of a person.
    pub(super) fn user(text: impl Into<String>) -> Self {
        Self::new(Who::User, text)
    }
}

/// Reads messages one after the other: a result names the call it belongs to.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) instructions: Vec<String>,
    pub(super) said: Vec<SaidIn>,
    /// The tools that were called, by the id of the call.
    called: BTreeMap<String, String>,
}

/// The messages of a chat: instructions by themselves, then what was said.
pub(super) fn messages(all: &[Value]) -> Result<Conversation, HttpError> {
    let mut reading = Reading::default();
    for (index, message) in all.iter().enumerate() {
        reading.message(message, &format!("messages[{index}]"))?;
    }
    Ok(reading.end())
}

impl Reading {
    pub(super) fn message(&mut self, message: &Value, place: &str) -> Result<(), HttpError> {
        let who = match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => None,
            Some("user") => Some(Who::User),
            Some("assistant") => Some(Who::Assistant),
            Some("tool" | "function") => Some(Who::Tool),
            _ => {
                let text =
                    format!("{place}.role must be system, developer, user, assistant or tool");
                return Err(HttpError::param(&format!("{place}.role"), text));
            }
        };
        let in_content = format!("{place}.content");
        let (text, images) = content(message.get("content"), &in_content)?;
        if !images.is_empty() && who != Some(Who::User) {
            let text = format!("{in_content}: only a user's message brings pictures");
            return Err(HttpError::param(&in_content, text).code("unsupported_content"));
        }
        match who {
            None => self.instructions.push(text),
            Some(Who::Tool) => {
                self.result(message.get("tool_call_id"), &text);
            }
            Some(who) => {
                if !text.trim().is_empty() {
                    self.said.push(SaidIn { who, text, images });
                }
                let calls = message.get("tool_calls").and_then(Value::as_array);
                for call in calls.into_iter().flatten() {
                    self.call(call.get("id"), &call["function"]);
                }
            }
        }
        Ok(())
    }

    /// A call that an earlier answer has asked of the client.
    pub(super) fn call(&mut self, id: Option<&Value>, function: &Value) {
        let word =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, name) = (word(id), word(function.get("name")));
        let arguments = word(function.get("arguments"));
        let text = format!("[called {name} as {id} with {arguments}]");
        self.said.push(SaidIn::new(Who::Assistant, text));
        self.called.insert(id, name);
    }

    /// What a call has come to at the client.
    pub(super) fn result(&mut self, id: Option<&Value>, text: &str) {
        let id = id.and_then(Value::as_str).filter(|id| !id.is_empty());
        let text = if text.trim().is_empty() { "(it said nothing)" } else { text };
        let text = match (id, id.and_then(|id| self.called.get(id))) {
            (Some(id), Some(name)) => format!("{name} ({id}): {text}"),
            (Some(id), None) => format!("{id}: {text}"),
            (None, _) => text.to_owned(),
        };
        self.said.push(SaidIn::new(Who::Tool, text));
    }

    pub(super) fn end(mut self) -> Conversation {
        self.instructions.retain(|text| !text.trim().is_empty());
        (self.instructions, self.said)
    }
}

/// The text and the pictures of a content: a text, or parts.
pub(super) fn content(
    content: Option<&Value>,
    place: &str,
) -> Result<(String, Vec<Image>), HttpError> {
    let parts = match content {
        None | Some(Value::Null) => return Ok((String::new(), Vec::new())),
        Some(Value::String(text)) => return Ok((text.clone(), Vec::new())),
        Some(Value::Array(parts)) => parts,
        Some(_) => {
            let text = format!("{place} must be a text or a list of parts");
            return Err(HttpError::param(place, text));
        }
    };
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        if matches!(kind, "image_url" | "input_image") {
            images.push(image(part, &format!("{place}[{index}]"))?);
            texts.push(PLACEHOLDER);
        } else {
            texts.push(part_text(part, kind, &format!("{place}[{index}]"))?);
        }
    }
    Ok((texts.join("\n"), images))
}

fn part_text<'a>(part: &'a Value, kind: &str, place: &str) -> Result<&'a str, HttpError> {
    let text = match kind {
        "text" | "input_text" | "output_text" => part.get("text"),
        "refusal" => part.get("refusal"),
        _ => {
            let text = format!("{place}: parts of type {kind:?} are not read here");
            return Err(HttpError::param(place, text).code("unsupported_content"));
        }
    };
    let wrong = || HttpError::param(place, format!("{place}.text must be a text"));
    text.and_then(Value::as_str).ok_or_else(wrong)
}

/// What a session gets of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) images: Vec<Image>,
}

/// What the session gets. One that keeps its own history gets what is new in the request; a session
/// of its own gets all of it.
pub(super) fn render(
    instructions: &[String],
    said: &[SaidIn],
    has_history: bool,
) -> Result<Prompt, HttpError> {
    let last = said.last().map(|last| last.who).filter(|who| *who != Who::Assistant);
    let Some(last) = last else {
        let text = "the last message must be a user's or a tool's, and say something";
        return Err(HttpError::param("messages", text));
    };
    let asked = match said.iter().rposition(|message| message.who == Who::Assistant) {
        Some(answered) if has_history => said.get(answered + 1..).unwrap_or_default(),
        _ => said,
    };
    // The newest message, or all the results an answer has asked for.
    let newest = match last {
        Who::Tool => asked.iter().rposition(|it| it.who != Who::Tool).map_or(0, |at| at + 1),
        Who::User | Who::Assistant => asked.len().saturating_sub(1),
    };
    let (before, newest) = asked.split_at_checked(newest).unwrap_or((asked, &[]));
    let images = asked.iter().flat_map(|message| message.images.clone()).collect();
    let texts: Vec<&str> = newest.iter().map(|message| message.text.as_str()).collect();
    let text = texts.join("\n");
    if instructions.is_empty() && before.is_empty() && last == Who::User {
        return Ok(Prompt { text, images });
    }
    let mut parts = Vec::new();
    if !instructions.is_empty() {
        parts.push(format!("[instructions of this request]\n{}", instructions.join("\n\n")));
    }
    if !before.is_empty() {
        let lines: Vec<String> = before.iter().map(line).collect();
        parts.push(format!("[said before]\n{}", lines.join("\n")));
    }
    let head = match (last, newest.len()) {
        (Who::Tool, 1) => "[result of a tool]",
        (Who::Tool, _) => "[results of tools]",
        (Who::User | Who::Assistant, _) => "[message]",
    };
    parts.push(format!("{head}\n{text}"));
    Ok(Prompt { text: parts.join("\n\n"), images })
}

fn line(message: &SaidIn) -> String {
    let who = match message.who {
        Who::User => "User",
        Who::Assistant => "Assistant",
        Who::Tool => "Tool",
    };
    format!("{who}: {}", message.text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rendered(all: &Value, has_history: bool) -> Result<String, HttpError> {
        let (instructions, said) = messages(all.as_array().unwrap())?;
        render(&instructions, &said, has_history).map(|prompt| prompt.text)
    }

    #[test]
    fn a_single_message_is_the_text_itself() {
        let all = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
        assert_eq!(rendered(&all, false).unwrap(), "hi");
    }

    #[test]
    fn a_session_with_a_memory_gets_only_what_is_new() {
        let all = json!([
            {"role": "system", "content": "be short"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
            {"role": "user", "content": "four"},
        ]);
        let whole = "[instructions of this request]\nbe short\n\n[said before]\nUser: one\n\
                     Assistant: two\nUser: three\n\n[message]\nfour";
        assert_eq!(rendered(&all, false).unwrap(), whole);
        let new = "[instructions of this request]\nbe short\n\n[said before]\nUser: three\n\n\
                   [message]\nfour";
        assert_eq!(rendered(&all, true).unwrap(), new);
    }

    #[test]
    fn a_session_reads_which_call_a_result_belongs_to() {
        let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
        let all = json!([
            {"role": "user", "content": "how is it?"},
            {"role": "assistant", "content": null, "tool_calls": [call("c1", "f"), call("c2", "g")]},
            {"role": "tool", "tool_call_id": "c2", "content": "warm"},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ]);
        let results = "[results of tools]\ng (c2): warm\nf (c1): (it said nothing)";
        assert_eq!(rendered(&all, true).unwrap(), results);
        let before = "[said before]\nUser: how is it?\nAssistant: [called f as c1 with {}]\n\
                      Assistant: [called g as c2 with {}]";
        assert_eq!(rendered(&all, false).unwrap(), format!("{before}\n\n{results}"));
        let alone = json!([{"role": "tool", "tool_call_id": "c9", "content": "late"}]);
        assert_eq!(rendered(&alone, true).unwrap(), "[result of a tool]\nc9: late");
    }

    #[test]
    fn pictures_of_people_go_along_and_only_those_that_are_new() {
        let picture = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        let content = |text: &str, url: &str| json!([{"type": "text", "text": text}, picture(url)]);
        let all = json!([
            {"role": "user", "content": content("old", "https://a/1")},
            {"role": "assistant", "content": "seen"},
            {"role": "user", "content": content("new", "https://a/2")},
        ]);
        let shown = |has_history: bool| {
            let (instructions, said) = messages(all.as_array().unwrap()).unwrap();
            render(&instructions, &said, has_history).unwrap()
        };
        let at = |url: &str| Image::At(url.into());
        let Prompt { text, images } = shown(true);
        assert_eq!((text.as_str(), images), ("new\n<media:image>", vec![at("https://a/2")]));
        assert_eq!(shown(false).images, [at("https://a/1"), at("https://a/2")]);
        for role in ["system", "assistant", "tool"] {
            let all = [json!({"role": role, "content": [picture("https://a/1")]})];
            assert_eq!(messages(&all).unwrap_err().code, Some("unsupported_content"), "{role}");
        }
    }

    #[test]
    fn what_asks_nothing_or_can_not_be_read_is_refused() {
        let bad = [
            json!([]),
            json!([{"role": "system", "content": "x"}]),
            json!([{"role": "user", "content": " "}]),
            json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]),
            json!([{"role": "king", "content": "x"}]),
            json!([{"role": "user", "content": 7}]),
            json!([{"role": "user", "content": [{"type": "text"}]}]),
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
        ];
        for all in bad {
            assert_eq!(rendered(&all, false).unwrap_err().status, 400, "{all}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_was_said_is_lost(texts in prop::collection::vec("[a-z]{1,8}", 1..6)) {
            let all: Vec<Value> =
                texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
            let text = rendered(&json!(all), false).unwrap();
            prop_assert!(texts.iter().all(|said| text.contains(said.as_str())));
        }
    }
}
