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
#[expect(clippy::result_large_err, reason = "an answer is made once and handed on")]
pub fn read(text: &str) -> Result<ClientRequest, Option<BadFrame>> {
    let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
        return Err(None);
    };
    let mut faults = Vec::new();
    if let Some(missing) = ["type", "id", "method"].iter().find(|key| !frame.contains_key(**key)) {
        faults.push(format!("must have required property '{missing}'"));
    }
    if frame.get("type").is_some_and(|kind| kind != "req") {
        faults.push("at /type: must be equal to constant".to_owned());
    }
    let id = text_of(&frame, "id", &mut faults);
    let method = text_of(&frame, "method", &mut faults);
    if frame.get("traceparent").is_some_and(|trace| !is_trace(trace)) {
        faults
            .push(format!("at /traceparent: must NOT have more than {TRACE_CHARS_MAX} characters"));
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

/// A text that must not be empty, if it is there.
fn text_of(frame: &Map<String, Value>, key: &str, faults: &mut Vec<String>) -> Option<String> {
    match frame.get(key)? {
        Value::String(text) if !text.is_empty() => return Some(text.clone()),
        Value::String(_) => {
            faults.push(format!("at /{key}: must NOT have fewer than 1 characters"));
        }
        _ => faults.push(format!("at /{key}: must be string")),
    }
    None
}

/// The programs that may connect, as the protocol names them.
const CLIENT_IDS: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];

/// How they may be used.
const CLIENT_MODES: &[&str] =
    &["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"];

/// Longest text in the parameters of `connect` that is kept with a device, in characters.
const PORTRAIT_CHARS_MAX: usize = 256;

/// Reads the parameters of `connect`.
///
/// # Errors
/// What is wrong with them, for their sender.
pub fn read_connect(params: &Value) -> Result<Connect, String> {
    let connect =
        Connect::deserialize(params).map_err(|error| format!("invalid connect params: {error}"))?;
    let client = &connect.client;
    for (key, text, known) in [("id", &client.id, CLIENT_IDS), ("mode", &client.mode, CLIENT_MODES)]
    {
        if !known.contains(&text.as_str()) {
            let wrong = format!("at /client/{key}: must be equal to one of the allowed values");
            return Err(format!("invalid connect params: {wrong}"));
        }
    }
    let kept = [
        ("displayName", client.display_name.as_deref()),
        ("platform", Some(client.platform.as_str())),
        ("deviceFamily", client.device_family.as_deref()),
    ];
    for (key, text) in kept {
        if text.is_some_and(|text| text.chars().count() > PORTRAIT_CHARS_MAX) {
            let wrong = format!("at /client/{key}: must NOT have more than {PORTRAIT_CHARS_MAX}");
            return Err(format!("invalid connect params: {wrong} characters"));
        }
    }
    Ok(connect)
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
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
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

    // As recorded from the incumbent.
    #[test]
    fn a_bad_frame_is_answered_under_its_own_id() {
        let bad = read(r#"{"type":"req","id":5}"#).unwrap_err().unwrap();
        assert_eq!(bad.id, 5);
        let text = "invalid request frame: must have required property 'method'; \
                    at /id: must be string";
        assert_eq!(bad.error.message, text);
        let bad = read(r#"{"type":"nope"}"#).unwrap_err().unwrap();
        assert_eq!(bad.id, "invalid");
        let text = "invalid request frame: must have required property 'id'; \
                    at /type: must be equal to constant";
        assert_eq!(bad.error.message, text);
        assert_eq!(read("xx"), Err(None));
    }
}
