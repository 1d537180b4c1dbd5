//! From the messages of a request to the one text a session gets. Pure.

use serde_json::Value;

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
}

/// The messages of a chat: instructions by themselves, then what was said.
pub(super) fn messages(all: &[Value]) -> Result<(Vec<String>, Vec<SaidIn>), HttpError> {
    let (mut instructions, mut said) = (Vec::new(), Vec::new());
    for (index, message) in all.iter().enumerate() {
        let place = format!("messages[{index}]");
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
        let text = content(message.get("content"), &format!("{place}.content"))?;
        match who {
            None => instructions.push(text),
            Some(who) if !text.trim().is_empty() => said.push(SaidIn { who, text }),
            // An assistant's message that only called tools says nothing by itself.
            Some(_) => {}
        }
    }
    instructions.retain(|text| !text.trim().is_empty());
    Ok((instructions, said))
}

/// The text of a content: a text, or parts of text.
pub(super) fn content(content: Option<&Value>, place: &str) -> Result<String, HttpError> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let texts: Result<Vec<&str>, HttpError> = parts
                .iter()
                .enumerate()
                .map(|(index, part)| part_text(part, place, index))
                .collect();
            Ok(texts?.join("\n"))
        }
        Some(_) => {
            Err(HttpError::param(place, format!("{place} must be a text or a list of parts")))
        }
    }
}

fn part_text<'a>(part: &'a Value, place: &str, index: usize) -> Result<&'a str, HttpError> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let text = match kind {
        "text" | "input_text" | "output_text" => part.get("text"),
        "refusal" => part.get("refusal"),
        _ => {
            let text =
                format!("{place}[{index}]: parts of type {kind:?} are not read here, only text");
            return Err(HttpError::param(place, text).code("unsupported_content"));
        }
    };
    let wrong = || HttpError::param(place, format!("{place}[{index}].text must be a text"));
    text.and_then(Value::as_str).ok_or_else(wrong)
}

/// The text for the session. One that keeps its own history gets what is new in the request; a
/// session of its own gets all of it.
pub(super) fn render(
    instructions: &[String],
    said: &[SaidIn],
    has_history: bool,
) -> Result<String, HttpError> {
    let Some((last, before)) = said.split_last().filter(|(last, _)| last.who != Who::Assistant)
    else {
        let text = "the last message must be a user's, and say something";
        return Err(HttpError::param("messages", text));
    };
    let before = match before.iter().rposition(|message| message.who == Who::Assistant) {
        Some(answered) if has_history => before.get(answered + 1..).unwrap_or_default(),
        _ => before,
    };
    if instructions.is_empty() && before.is_empty() && last.who == Who::User {
        return Ok(last.text.clone());
    }
    let mut parts = Vec::new();
    if !instructions.is_empty() {
        parts.push(format!("[instructions of this request]\n{}", instructions.join("\n\n")));
    }
    if !before.is_empty() {
        let lines: Vec<String> = before.iter().map(line).collect();
        parts.push(format!("[said before]\n{}", lines.join("\n")));
    }
    let head = if last.who == Who::User { "[message]" } else { "[result of a tool]" };
    parts.push(format!("{head}\n{}", last.text));
    Ok(parts.join("\n\n"))
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
        render(&instructions, &said, has_history)
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
