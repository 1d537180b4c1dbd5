//! The frames of `imsg rpc`: requests, answers, error codes, and which parameters each method has.

use serde_json::{Map, Value, json};

use super::options::Profile;

/// Parameters by name.
pub(super) type Params = Map<String, Value>;

/// A request that is well formed and knows its method and parameters.
#[derive(Debug)]
pub(super) struct Request {
    /// What the answer refers to; without it there is none.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    pub(super) params: Params,
}

/// An error as it is answered.
#[derive(Debug)]
pub(super) struct RpcError {
    code: i32,
    message: String,
    data: Option<Value>,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>, data: Option<Value>) -> Self {
        Self { code, message: message.into(), data }
    }

    pub(super) fn invalid_params(detail: impl Into<String>) -> Self {
        Self::new(-32602, "Invalid params", Some(Value::String(detail.into())))
    }

    /// Messages or its automation refused; nothing is said about the delivery.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(-32603, message, None)
    }

    /// The send certainly did not start.
    pub(super) fn not_started(message: &str) -> Self {
        let data = json!({"retry_safe": true, "disposition": "not_started",
            "transport": "applescript", "operation": "send", "detail": message});
        Self::new(-32603, message, Some(data))
    }

    /// The send may have gone out.
    pub(super) fn outcome_unknown() -> Self {
        let data = json!({"retry_safe": false, "disposition": "may_have_completed",
            "transport": "applescript", "operation": "send", "detail": "no receipt was observed"});
        Self::new(-32001, "Delivery outcome unknown", Some(data))
    }

    pub(super) fn database_unavailable(path: &str, detail: &str) -> Self {
        let data = json!({"path": path, "detail": detail, "retryable": true});
        Self::new(-32002, "Database unavailable", Some(data))
    }

    pub(super) fn busy() -> Self {
        Self::new(-32000, "Server busy", Some(json!("too many outstanding requests")))
    }
}

/// Reads one line. An error comes with the id it is answered to, if it is answered at all.
pub(super) fn parse(line: &[u8], profile: Profile) -> Result<Request, (Option<Value>, RpcError)> {
    let null = Some(Value::Null);
    let frame: Value = serde_json::from_slice(line).map_err(|reason| {
        let detail = Some(Value::String(reason.to_string()));
        (null.clone(), RpcError::new(-32700, "Parse error", detail))
    })?;
    let invalid = |detail| RpcError::new(-32600, "Invalid Request", Some(json!(detail)));
    let Value::Object(mut frame) = frame else {
        return Err((null, invalid("a request is an object")));
    };
    let id = frame.remove("id");
    if matches!(id, Some(Value::Bool(_) | Value::Array(_) | Value::Object(_))) {
        return Err((null, invalid("id must be a string, a number or null")));
    }
    if profile == Profile::V0_15 && frame.get("jsonrpc") != Some(&json!("2.0")) {
        return Err((id.or(null), invalid("jsonrpc must be \"2.0\"")));
    }
    let Some(Value::String(method)) = frame.remove("method") else {
        return Err((id.or(null), invalid("method must be a string")));
    };
    // The older program answers even errors that nobody asked to hear.
    let answer_to = if profile == Profile::V0_9 { id.clone().or(null) } else { id.clone() };
    match checked(&method, frame.remove("params"), profile) {
        Ok(params) => Ok(Request { id, method, params }),
        Err(error) => Err((answer_to, error)),
    }
}

/// The line an answer is sent as.
pub(super) fn reply_line(id: &Value, outcome: Result<Value, RpcError>) -> String {
    let mut frame = json!({"jsonrpc": "2.0", "id": id});
    match outcome {
        Ok(result) => frame["result"] = result,
        Err(error) => {
            frame["error"] = json!({"code": error.code, "message": error.message});
            if let Some(data) = error.data {
                frame["error"]["data"] = data;
            }
        }
    }
    format!("{frame}\n")
}

/// What a parameter may hold.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Flag,
    Any,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64(),
            Self::Flag => value.is_boolean(),
            Self::Any => true,
        }
    }
}

struct Method {
    name: &'static str,
    /// Whether the older program has it too.
    since_0_9: bool,
    params: &'static [(&'static str, Kind)],
    required: &'static [&'static str],
}

const METHODS: &[Method] = &[
    Method {
        name: "initialize",
        since_0_9: false,
        params: &[("protocol_version", Kind::Integer)],
        required: &[],
    },
    Method { name: "status", since_0_9: false, params: &[], required: &[] },
    Method {
        name: "chats.list",
        since_0_9: true,
        params: &[("limit", Kind::Integer), ("unread_only", Kind::Flag)],
        required: &[],
    },
    Method {
        name: "messages.after",
        since_0_9: false,
        params: &[
            ("since_rowid", Kind::Integer),
            ("chat_id", Kind::Integer),
            ("limit", Kind::Integer),
            ("attachments", Kind::Flag),
            ("convert_attachments", Kind::Flag),
            ("include_reactions", Kind::Flag),
        ],
        required: &["since_rowid"],
    },
    Method {
        name: "message.send_status",
        since_0_9: false,
        params: &[("guid", Kind::Text)],
        required: &["guid"],
    },
    Method {
        name: "send",
        since_0_9: true,
        params: &[
            ("to", Kind::Text),
            ("chat_id", Kind::Integer),
            ("chat_identifier", Kind::Text),
            ("chat_guid", Kind::Text),
            ("text", Kind::Text),
            ("file", Kind::Text),
            ("service", Kind::Text),
            ("region", Kind::Text),
            ("transport", Kind::Text),
            ("reply_to", Kind::Text),
            ("text_formatting", Kind::Any),
            ("allow_sms_fallback", Kind::Flag),
        ],
        required: &[],
    },
];

/// The names of all methods the newer program has.
pub(super) fn method_names() -> Vec<&'static str> {
    METHODS.iter().map(|method| method.name).collect()
}

/// The parameters of a call, once they are known to fit the method.
fn checked(name: &str, params: Option<Value>, profile: Profile) -> Result<Params, RpcError> {
    let strict = profile == Profile::V0_15;
    let method = METHODS.iter().find(|method| method.name == name && (strict || method.since_0_9));
    let Some(method) = method else {
        return Err(RpcError::new(-32601, "Method not found", Some(json!(name))));
    };
    let params = match params {
        None => Params::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(RpcError::invalid_params("params must be an object")),
    };
    if strict {
        for (key, value) in &params {
            fits(method, key, value)?;
        }
    }
    match method.required.iter().find(|key| !params.contains_key(**key)) {
        Some(key) => Err(RpcError::invalid_params(format!("{key} is required"))),
        None => Ok(params),
    }
}

fn fits(method: &Method, key: &str, value: &Value) -> Result<(), RpcError> {
    match method.params.iter().find(|(known, _)| *known == key) {
        None => Err(RpcError::invalid_params(format!("unknown parameter: {key}"))),
        Some((_, kind)) if !kind.fits(value) => {
            Err(RpcError::invalid_params(format!("{key} has the wrong type")))
        }
        Some(_) => Ok(()),
    }
}
