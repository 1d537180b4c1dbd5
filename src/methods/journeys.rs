//! What became of a message.

use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Count, Text, read};
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
    limit: Option<Count>,
}

/// Journeys of one answer unless another number is asked for, and at most.
const SHOWN: (u64, u64) = (20, 1_000);

async fn why(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let WhyParams { query, limit } = read("telson.why", params)?;
    if query.as_str().trim().is_empty() {
        let what = "say what to look for: a text, a message id, an entry id or a session";
        return Err(ErrorBody::invalid(what));
    }
    let mut journeys = engine.why(query.as_str()).await.map_err(ErrorBody::internal)?;
    let total = journeys.len();
    let limit = limit.map_or(SHOWN.0, Count::get).min(SHOWN.1);
    journeys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(json!({"journeys": to_value(journeys)?, "total": total}))
}
