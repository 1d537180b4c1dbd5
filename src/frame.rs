//! Frames: pure text in, typed value out, and back.
//!
//! ```json
//! {"type":"req","id":"1","method":"health","params":{}}
//! {"type":"res","id":"1","ok":true,"payload":{}}
//! {"type":"res","id":"1","ok":false,"error":{"code":"NOT_FOUND","message":"..."}}
//! {"type":"event","event":"journey","payload":{},"seq":1}
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest frame in bytes. Answers can hold a whole conversation's texts.
pub(crate) const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame {
    /// A question.
    Req(Request),
    /// Its answer.
    Res(Response),
    /// Something that happened, for a subscriber.
    Event {
        /// The kind of event.
        event: String,
        /// What happened.
        payload: Value,
        /// Counts the events of one connection; 0 outside the count.
        #[serde(default)]
        seq: u64,
    },
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the asker, repeated in the answer.
    pub id: String,
    /// Which method.
    pub method: String,
    /// Its parameters.
    #[serde(default)]
    pub params: Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The question's id; `invalid` if it could not be read.
    pub id: String,
    /// Whether it worked.
    pub ok: bool,
    /// The result, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The error, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// An error for programs (`code`) and people (`message`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// `INVALID_REQUEST`, `FORBIDDEN`, `NOT_FOUND`, `UNAVAILABLE`, `INTERNAL`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// More for programs, by code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Whether the same request may work later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retryable: bool,
    /// Not before so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorBody {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::default() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("INVALID_REQUEST", message)
    }

    pub(crate) fn too_long() -> Self {
        Self::invalid(format!("this line is longer than {FRAME_BYTES_MAX} bytes"))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("NOT_FOUND", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new("UNAVAILABLE", message) }
    }

    pub(crate) fn internal(message: impl ToString) -> Self {
        Self::new("INTERNAL", message.to_string())
    }

    /// The caller may not do this, whatever its rights are.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new("FORBIDDEN", message)
    }

    /// The caller lacks a right.
    pub(crate) fn missing_scope(scope: &str) -> Self {
        let details = json!({
            "code": "MISSING_SCOPE",
            "missingScope": scope,
            "requiredScopes": [scope],
        });
        Self::new("FORBIDDEN", format!("missing scope: {scope}")).with(details)
    }

    /// The same with more for programs.
    pub(crate) fn with(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }
}

impl Response {
    pub(crate) fn new(id: &str, result: Result<Value, ErrorBody>) -> Self {
        let (payload, error) = match result {
            Ok(payload) => (Some(payload), None),
            Err(error) => (None, Some(error)),
        };
        Self { id: id.to_owned(), ok: error.is_none(), payload, error }
    }
}

impl Frame {
    /// Reads one line as it came, whatever its bytes.
    ///
    /// # Errors
    /// What is wrong with it, for its sender.
    pub fn read(line: &[u8]) -> Result<Self, ErrorBody> {
        match str::from_utf8(line) {
            Ok(line) => Self::parse(line),
            Err(error) => Err(ErrorBody::invalid(format!("this line is not UTF-8: {error}"))),
        }
    }

    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it, for its sender.
    pub fn parse(line: &str) -> Result<Self, ErrorBody> {
        serde_json::from_str(line)
            .map_err(|error| ErrorBody::invalid(format!("this is not a frame: {error}")))
    }

    /// One line, without its end.
    pub fn encode(&self) -> String {
        // Frames hold strings, numbers and JSON values only: these always encode.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn frames_survive_the_wire(id in ".{0,20}", method in ".{0,20}", number: i64) {
            let params = json!({"n": number, "text": id});
            let frame = Frame::Req(Request { id, method, params });
            let line = frame.encode();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Frame::parse(&line), Ok(frame));
        }

        #[test]
        fn any_bytes_are_answered(line: Vec<u8>) {
            if let Err(error) = Frame::read(&line) {
                prop_assert_eq!(error.code, "INVALID_REQUEST");
            }
        }

        #[test]
        fn any_line_is_answered(line in ".{0,200}") {
            if let Err(error) = Frame::parse(&line) {
                prop_assert_eq!(error.code, "INVALID_REQUEST");
            }
        }
    }

    #[test]
    fn the_wire_form_is_golden() {
        let response = Response::new("7", Err(ErrorBody::not_found("no such thing")));
        assert_eq!(
            Frame::Res(response).encode(),
            r#"{"type":"res","id":"7","ok":false,"error":{"code":"NOT_FOUND","message":"no such thing"}}"#
        );
    }
}
