//! Frames of clients: text in, typed value or an answer for its sender out.
//!
//! Shapes after the JSON schema of `@openclaw/gateway-protocol`, version 4.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::frame::ErrorBody;

/// Longest trace header that is taken, in characters.
const TRACE_CHARS_MAX: usize = 128;

/// A client's request.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientRequest {
    /// Repeated in the answer.
    pub id: String,
    /// Which method.
    pub method: String,
    /// Its parameters; null if it brought none.
    pub params: Value,
}

/// A frame that can't be used.
#[derive(Debug, Clone, PartialEq)]
pub struct BadFrame {
    /// Its id as it came, if it has one; else `invalid`.
    pub id: Value,
    /// What is wrong with it.
    pub error: ErrorBody,
}

/// Reads a frame.
///
/// # Errors
/// [`BadFrame`], to be answered; `None` in its place for text that is no JSON object, of which
/// nothing can be said to its sender.
pub fn read(text: &str) -> Result<ClientRequest, Option<BadFrame>> {
    let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
        return Err(None);
    };
    let mut faults = Vec::new();
    if frame.get("type").and_then(Value::as_str) != Some("req") {
        faults.push("/type must be \"req\"".to_owned());
    }
    let id = text_of(&mut frame, "id", &mut faults);
    let method = text_of(&mut frame, "method", &mut faults);
    if frame.get("traceparent").is_some_and(|trace| !is_trace(trace)) {
        faults.push(format!("/traceparent must be at most {TRACE_CHARS_MAX} characters"));
    }
    let known = ["type", "id", "method", "params", "traceparent"];
    faults.extend(
        frame
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| format!("unexpected property '{key}'")),
    );
    let params = frame.remove("params").unwrap_or_default();
    if !faults.is_empty() {
        let message = format!("invalid request frame: {}", faults.join("; "));
        let id = frame.remove("id").unwrap_or_else(|| "invalid".into());
        return Err(Some(BadFrame { id, error: ErrorBody::invalid(message) }));
    }
    Ok(ClientRequest { id: id.unwrap_or_default(), method: method.unwrap_or_default(), params })
}

fn is_trace(value: &Value) -> bool {
    value.as_str().is_some_and(|trace| trace.chars().count() <= TRACE_CHARS_MAX)
}

/// A text that must be there and not be empty. A bad one stays where it is, for the answer.
fn text_of(frame: &mut Map<String, Value>, key: &str, faults: &mut Vec<String>) -> Option<String> {
    match frame.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(_) => {
            faults.push(format!("/{key} must be a text that is not empty"));
            None
        }
        None => {
            faults.push(format!("must have required property '{key}'"));
            None
        }
    }
}

/// The parameters of `connect`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// The oldest version the client speaks.
    pub min_protocol: u32,
    /// The newest.
    pub max_protocol: u32,
    /// Who it is.
    pub client: ClientInfo,
    /// `operator` or `node`. Default: operator.
    #[serde(default)]
    pub role: Option<String>,
    /// What it wishes to be allowed.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it can show.
    #[serde(default)]
    pub caps: Vec<String>,
    /// What a node can be asked to do.
    #[serde(default)]
    pub commands: Vec<String>,
    /// What a node is allowed on its machine.
    #[serde(default)]
    pub permissions: Option<Value>,
    /// Its credentials.
    #[serde(default)]
    pub auth: Option<Credentials>,
    /// Its device.
    #[serde(default)]
    pub device: Option<DeviceProof>,
    /// The language it shows.
    #[serde(default)]
    pub locale: Option<String>,
    /// The program, in its own words.
    #[serde(default)]
    pub user_agent: Option<String>,
}

/// What a client says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// Which program.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its version.
    pub version: String,
    /// Its system.
    pub platform: String,
    /// The kind of its device.
    #[serde(default)]
    pub device_family: Option<String>,
    /// How it is used.
    pub mode: String,
    /// Which of several.
    #[serde(default)]
    pub instance_id: Option<String>,
}

/// What a client may show to be let in.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// The shared token.
    pub token: Option<String>,
    /// The shared password.
    pub password: Option<String>,
    /// The token of a paired device.
    pub device_token: Option<String>,
    /// A token for the first pairing.
    pub bootstrap_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A device's proof that it holds its key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceProof {
    /// The fingerprint of its key.
    pub id: String,
    /// Its key.
    pub public_key: String,
    /// Over the payload that `handshake` describes.
    pub signature: String,
    /// When, in milliseconds.
    pub signed_at: i64,
    /// The challenge it answers.
    #[serde(default)]
    pub nonce: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            if let Err(Some(bad)) = read(&text) {
                prop_assert_eq!(bad.error.code, "INVALID_REQUEST");
            }
        }

        #[test]
        fn a_request_is_read_as_it_was_written(id in ".{1,20}", method in ".{1,20}", n: i64) {
            let frame = serde_json::json!({"type": "req", "id": id, "method": method, "params": {"n": n}});
            let read = read(&frame.to_string()).unwrap();
            prop_assert_eq!((read.id, read.method), (id, method));
            prop_assert_eq!(&read.params["n"], &Value::from(n));
        }
    }

    #[test]
    fn a_bad_frame_is_answered_under_its_own_id() {
        let bad = read(r#"{"type":"req","id":5}"#).unwrap_err().unwrap();
        assert_eq!(bad.id, 5);
        assert!(bad.error.message.contains("'method'"), "{}", bad.error.message);
        let bad = read(r#"{"type":"nope"}"#).unwrap_err().unwrap();
        assert_eq!(bad.id, "invalid");
        assert_eq!(read("xx"), Err(None));
    }
}
