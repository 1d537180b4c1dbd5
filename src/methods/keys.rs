//! The keys of models' providers: which rest, and ending a rest.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::provider::failover::in_words;
use telson_actors::provider::profile::Resting;

use super::params::{Nothing, Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::engine::WakeError;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "telson.models.keys",
        scope: Scope::Read,
        about: "the providers' keys, and which of them rest",
        run: |call| ready(keys(call)),
    },
    Method {
        name: "telson.models.wake",
        scope: Scope::Write,
        about: "end the rest of a provider's keys, or of one of them",
        run: |call| Box::pin(wake(call)),
    },
];

/// A provider or a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WakeParams {
    name: Text,
}

fn keys(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("telson.models.keys", params)?;
    let resting = engine.resting_keys().map_err(ErrorBody::internal)?;
    let key = |provider: &str, profile: &str| {
        let rests = resting.iter().filter(|it| it.provider == provider && it.profile == profile);
        json!({"provider": provider, "key": profile, "rests": rests.map(shown).collect::<Vec<_>>()})
    };
    let all = engine.keys().flat_map(|(provider, profiles)| {
        profiles.into_iter().map(|profile| key(provider, profile)).collect::<Vec<_>>()
    });
    Ok(json!({"keys": all.collect::<Vec<_>>()}))
}

/// A rest, as it is listed.
pub(super) fn shown(resting: &Resting) -> Value {
    json!({
        "provider": resting.provider,
        "key": resting.profile,
        "model": resting.model,
        "until": resting.until,
        "why": in_words(resting.class),
    })
}

/// The same as a sentence.
pub(super) fn told(Resting { model, class, .. }: &Resting) -> String {
    let model = model.as_ref().map_or_else(String::new, |model| format!(" for {model}"));
    format!("rests{model}: {}", in_words(*class))
}

async fn wake(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let WakeParams { name } = read("telson.models.wake", params)?;
    let woken = engine.wake_keys(name.as_str()).await.map_err(|error| match error {
        WakeError::Unknown { .. } => ErrorBody::not_found(error.to_string()),
        WakeError::Restarting => ErrorBody::unavailable(error.to_string()),
        WakeError::Store(error) => ErrorBody::internal(error),
    })?;
    Ok(json!({"woken": woken}))
}
