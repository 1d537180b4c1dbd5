//! What became of a message, and what models have cost.

use serde_json::{Value, json};

use super::{Call, ErrorBody, Method, Scope, to_value};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "telson.why",
        scope: Scope::Read,
        about: "the journey of a message",
        run: |call| Box::pin(why(call)),
    },
    Method {
        name: "usage.cost",
        scope: Scope::Read,
        about: "what models have used and cost, by day, session and model",
        run: |call| Box::pin(cost(call)),
    },
];

async fn why(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let query = params
        .get("query")
        .and_then(Value::as_str)
        .filter(|query| !query.trim().is_empty())
        .ok_or_else(|| {
            ErrorBody::invalid(
                "say what to look for: a text, a message id, an entry id or a session",
            )
        })?;
    let journeys = engine.why(query).await.map_err(ErrorBody::internal)?;
    Ok(json!({"journeys": to_value(journeys)?}))
}

async fn cost(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let days = match params.get("days") {
        None | Some(Value::Null) => 30,
        Some(days) => days
            .as_u64()
            .filter(|days| (1..=366).contains(days))
            .ok_or_else(|| ErrorBody::invalid("days: a whole number from 1 to 366 is wanted"))?,
    };
    to_value(engine.usage(days).await.map_err(ErrorBody::internal)?)
}
