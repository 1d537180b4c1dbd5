//! The words of `imsg rpc`: newline-delimited JSON-RPC 2.0, one object per line each way.
//!
//! Versions before 0.14 coerce and ignore what they do not know; later ones refuse unknown keys and
//! wrong types. So exactly the documented snake_case keys are sent.

use serde::Deserialize;
use serde_json::{Value, json};

/// One line of the child's output.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The answer to a request.
    Answer(u64, Result<Value, RpcFault>),
    /// Something else: a notification, or an error without an id.
    Other,
    /// Not JSON-RPC.
    Junk,
}

/// An error object of the child.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RpcFault {
    /// The JSON-RPC code.
    pub code: i64,
    /// What it says.
    #[serde(default)]
    pub message: String,
    /// What it knows about the effect.
    #[serde(default)]
    pub data: Value,
}

impl RpcFault {
    /// Whether the child says that nothing was started.
    pub fn says_not_started(&self) -> bool {
        self.data.get("disposition").and_then(Value::as_str) == Some("not_started")
            || self.data.get("retry_safe").and_then(Value::as_bool) == Some(true)
    }
}

/// A request as one line, with its line end.
pub fn encode_request(id: u64, method: &str, params: &Value) -> String {
    let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    format!("{request}\n")
}

/// Reads one line.
pub fn parse_line(line: &str) -> Line {
    #[derive(Deserialize)]
    struct Raw {
        id: Option<Value>,
        result: Option<Value>,
        error: Option<RpcFault>,
        method: Option<String>,
    }
    let Ok(raw) = serde_json::from_str::<Raw>(line) else { return Line::Junk };
    let id = raw.id.as_ref().and_then(Value::as_u64);
    match (id, raw.error, raw.result) {
        (Some(id), Some(fault), _) => Line::Answer(id, Err(fault)),
        (Some(id), None, Some(result)) => Line::Answer(id, Ok(result)),
        (Some(_), None, None) if raw.method.is_none() => Line::Junk,
        _ => Line::Other,
    }
}

/// The parameters of a `send` to a reply target such as `chat_guid:...`.
pub fn send_params(target: &str, text: &str, service: &str, region: &str) -> Value {
    let mut params = json!({"text": text});
    let (key, value) = match target.split_once(':') {
        Some(("chat_guid", guid)) => ("chat_guid", json!(guid)),
        Some(("chat_identifier", identifier)) => ("chat_identifier", json!(identifier)),
        Some(("chat_id", number)) => match number.parse::<i64>() {
            Ok(number) => ("chat_id", json!(number)),
            Err(_) => ("to", json!(target)),
        },
        _ => ("to", json!(target)),
    };
    params[key] = value;
    if key == "to" {
        params["service"] = json!(service);
        params["region"] = json!(region);
    }
    params
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in ".{0,200}") {
            prop_assert!(matches!(parse_line(&line), Line::Junk | Line::Other | Line::Answer(..)));
        }

        #[test]
        fn a_request_is_one_line(id: u64, text in "(?s).{0,100}") {
            let line = encode_request(id, "send", &send_params("chat_guid:x", &text, "auto", "US"));
            prop_assert_eq!(line.matches('\n').count(), 1);
            let sent: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(sent["params"]["text"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn answers_and_faults() {
        assert_eq!(
            parse_line(r#"{"jsonrpc":"2.0","id":3,"result":{"ok":true}}"#),
            Line::Answer(3, Ok(json!({"ok": true})))
        );
        let fault = r#"{"id":4,"error":{"code":-32603,"message":"no","data":{"disposition":"not_started","retry_safe":true}}}"#;
        let Line::Answer(4, Err(fault)) = parse_line(fault) else { panic!("not an answer") };
        assert!(fault.says_not_started());
        assert_eq!(parse_line(r#"{"method":"message","params":{}}"#), Line::Other);
        assert_eq!(parse_line("imsg: hello"), Line::Junk);
    }

    #[test]
    fn targets_become_the_documented_keys() {
        assert_eq!(
            send_params("chat_id:7", "hi", "auto", "US"),
            json!({"text": "hi", "chat_id": 7})
        );
        assert_eq!(
            send_params("chat_guid:any;-;+1555", "hi", "auto", "US"),
            json!({"text": "hi", "chat_guid": "any;-;+1555"})
        );
        assert_eq!(
            send_params("+15550001", "hi", "auto", "DE"),
            json!({"text": "hi", "to": "+15550001", "service": "auto", "region": "DE"})
        );
    }
}
