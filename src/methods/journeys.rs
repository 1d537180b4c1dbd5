//! What became of a message.

use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Text, read};
use super::{Call, ErrorBody, Method, Scope, to_value};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[Method {
    name: "telson.why",
    scope: Scope::Read,
    about: "the journey of a message",
    run: |call| Box::pin(why(call)),
}];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyParams {
    query: Text,
}

async fn why(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let WhyParams { query } = read("telson.why", params)?;
    if query.as_str().trim().is_empty() {
        let what = "say what to look for: a text, a message id, an entry id or a session";
        return Err(ErrorBody::invalid(what));
    }
    let journeys = engine.why(query.as_str()).await.map_err(ErrorBody::internal)?;
    Ok(json!({"journeys": to_value(journeys)?}))
}
