//! Methods about single sessions.

use serde_json::{Value, json};
use telson_actors::message::SessionKey;

use super::{Call, ErrorBody, Method, Scope};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[Method {
    name: "sessions.abort",
    scope: Scope::Write,
    about: "end what runs and what waits in a session",
    run: |call| Box::pin(abort(call)),
}];

/// `sessions.abort {key}`: ends what runs and what waits.
async fn abort(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let key = params.get("key").and_then(Value::as_str).unwrap_or_default();
    let session = SessionKey::parse(key).map_err(|error| {
        let help = "`telson why` shows the session of a message";
        ErrorBody::invalid(format!("{error}; {help}"))
    })?;
    if !engine.knows_session(&session).map_err(ErrorBody::internal)? {
        let help = "`telson why` shows the session of a message";
        return Err(ErrorBody::not_found(format!("there is no session {session}; {help}")));
    }
    let stopped =
        engine.abort(&session).await.map_err(|error| ErrorBody::unavailable(error.to_string()))?;
    Ok(json!({"session": session.as_str(), "stopped": stopped}))
}
