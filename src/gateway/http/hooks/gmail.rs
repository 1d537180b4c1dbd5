//! Pushes of Gmail, in two shapes: Pub/Sub's envelope, and what a mail watcher makes of it. Pure.
//!
//! What is checked is the token of the webhooks, as everywhere, or the identity that Pub/Sub can put
//! into `Authorization` instead ([`oidc`](super::oidc)).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// A push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Push {
    /// The same for every delivery of it.
    pub(super) id: String,
    /// What the agent is told.
    pub(super) message: String,
}

/// Reads a push.
pub(super) fn read(payload: &Value) -> Result<Push, String> {
    if let Some(mails) = payload.get("messages").and_then(Value::as_array) {
        return mail(mails);
    }
    let message = payload.get("message").ok_or("neither `message` nor `messages` is there")?;
    let id = text(message, "messageId").or_else(|| text(message, "message_id"));
    let id = id.ok_or("message.messageId is missing")?.to_owned();
    let data = text(message, "data").ok_or("message.data is missing")?;
    let data = data.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let bytes = URL_SAFE_NO_PAD.decode(data).map_err(|_| "message.data is no base64")?;
    let news: Value = serde_json::from_slice(&bytes).map_err(|_| "message.data holds no JSON")?;
    let address = text(&news, "emailAddress").ok_or("message.data names no emailAddress")?;
    let history = match news.get("historyId") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err("message.data names no historyId".into()),
    };
    let message = format!("The mailbox {address} has changed (history {history}).");
    Ok(Push { id, message })
}

/// Mails as a watcher hands them over.
fn mail(mails: &[Value]) -> Result<Push, String> {
    let ids: Option<Vec<&str>> = mails.iter().map(|mail| text(mail, "id")).collect();
    let ids = ids.filter(|ids| !ids.is_empty()).ok_or("messages: each needs its id")?;
    let shown = mails.iter().map(|mail| {
        let line = |label: &str, key: &str| {
            text(mail, key).map(|text| format!("{label}{text}\n")).unwrap_or_default()
        };
        let (from, subject) = (line("New email from ", "from"), line("Subject: ", "subject"));
        format!("{from}{subject}{}{}", line("", "snippet"), line("", "body"))
    });
    let message = shown.collect::<Vec<_>>().join("\n").trim_end().to_owned();
    Ok(Push { id: STANDARD.encode(ids.join(",")), message })
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_are_read() {
        let data = STANDARD.encode(r#"{"emailAddress": "a@b.test", "historyId": 7}"#);
        let push =
            read(&json!({"message": {"data": data, "messageId": "12"}, "subscription": "s"}));
        let expected = "The mailbox a@b.test has changed (history 7).".to_owned();
        assert_eq!(push, Ok(Push { id: "12".into(), message: expected }));
        let push = read(&json!({"messages": [
            {"id": "m1", "from": "Anna", "subject": "Hi", "snippet": "short", "body": "long"},
            {"id": "m2", "from": "Bob"},
        ]}));
        let push = push.unwrap();
        assert_eq!(
            push.message,
            "New email from Anna\nSubject: Hi\nshort\nlong\n\nNew email from Bob"
        );
        assert_eq!(push.id, STANDARD.encode("m1,m2"));
    }

    #[test]
    fn what_is_no_push_is_named() {
        let coded = |text: &str| STANDARD.encode(text);
        for bad in [
            json!({}),
            json!({"message": {}}),
            json!({"message": {"messageId": "1"}}),
            json!({"message": {"messageId": "1", "data": "%%"}}),
            json!({"message": {"messageId": "1", "data": coded("no")}}),
            json!({"message": {"messageId": "1", "data": coded("{}")}}),
            json!({"message": {"messageId": "1", "data": coded(r#"{"emailAddress": "a"}"#)}}),
            json!({"messages": []}),
            json!({"messages": [{}]}),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
