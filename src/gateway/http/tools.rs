//! `POST /tools/invoke`: one call of a tool, within the policy of an agent.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
use telson_actors::message::SessionKey;

use super::error::HttpError;
use super::{Routes, auth, body};
use crate::engine::Invoked;
use crate::gateway::visitor::Visitor;
use crate::methods::{NEVER_BY_HAND, Scope};

/// Longest body, in bytes.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What is asked.
struct Asked {
    tool: String,
    arguments: Map<String, Value>,
    session: SessionKey,
    agent: String,
}

pub(super) async fn invoke(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    auth::operator(&routes, &visitor, &headers, Scope::Write)?;
    let engine = routes.admitting()?;
    let bytes = body::read(&headers, body, BODY_BYTES_MAX).await?;
    let asked = read(&routes, &body::object(&headers, &bytes)?)?;
    if NEVER_BY_HAND.contains(&asked.tool.as_str()) {
        return Err(hidden(&asked.tool));
    }
    let arguments = Value::Object(asked.arguments).to_string();
    match engine.invoke(&asked.session, &asked.agent, (&asked.tool, arguments), None).await {
        Invoked::Done(text) => {
            let content = json!([{"type": "text", "text": text}]);
            Ok(Json(json!({"ok": true, "result": {"content": content}})))
        }
        Invoked::Hidden => Err(hidden(&asked.tool)),
        Invoked::Failed(text) => Err(HttpError::new(400, "tool_error", text)),
        Invoked::Absent => Err(HttpError::unavailable("the tools are restarting; try again")),
        Invoked::Unknown => Err(HttpError::unavailable(crate::methods::UNKNOWN_CALL)),
    }
}

/// The same words for a tool that does not exist and one that may not be used.
fn hidden(tool: &str) -> HttpError {
    HttpError::not_found(format!("tool {tool:?} is not available here"))
}

fn read(routes: &Routes, body: &Value) -> Result<Asked, HttpError> {
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(HttpError::param(name, format!("{name} must be a text"))),
    };
    let tool = text("tool")?.ok_or_else(|| HttpError::param("tool", "tool is missing"))?;
    let mut arguments = match body.get("args") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(_) => return Err(HttpError::param("args", "args must be an object")),
    };
    if let Some(action) = text("action")? {
        arguments.entry("action").or_insert(action.into());
    }
    let config = routes.served.host.config.clone().unwrap_or_default();
    let default = config.default_agent().unwrap_or_else(|| "main".into());
    let key = text("sessionKey")?;
    let session = match key.as_deref() {
        None | Some("main") => SessionKey::main(&default, &config.session.main_key)
            .map_err(|error| HttpError::param("sessionKey", error.to_string())),
        Some(key) => SessionKey::parse(key)
            .map_err(|error| HttpError::param("sessionKey", error.to_string())),
    }?;
    let agent = session.agent().unwrap_or(default);
    if !config.agents_map().contains_key(&agent) {
        return Err(HttpError::param("sessionKey", format!("there is no agent {agent:?}")));
    }
    Ok(Asked { tool, arguments, session, agent })
}
