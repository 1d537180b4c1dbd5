//! Who is there: clients, this gateway, and which version of it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::params::{Nothing, read};
use super::{Call, ErrorBody, Method, Scope, ready, to_value};
use crate::gateway::own_key::Identity;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "system-presence",
        scope: Scope::Read,
        about: "who is connected, or was a moment ago",
        run: |call| ready(presence(call)),
    },
    Method {
        name: "gateway.identity.get",
        scope: Scope::Read,
        about: "the public key of this gateway",
        run: |call| Box::pin(identity(call)),
    },
    Method {
        name: "update.status",
        scope: Scope::Admin,
        about: "whether this version updates itself: it does not",
        run: |call| ready(update(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "there is nothing to refresh")]
struct UpdateParams {
    refresh_checkout: Option<bool>,
}

fn presence(call: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("system-presence", call.params)?;
    to_value(call.host.guests.presence(call.engine.clock().now().0))
}

async fn identity(call: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("gateway.identity.get", call.params)?;
    let Some(dir) = call.host.state_dir.clone() else {
        return Err(ErrorBody::unavailable("an engine without a state directory has no identity"));
    };
    let made = tokio::task::spawn_blocking(move || Identity::kept_in(&dir)).await;
    let identity = made.map_err(ErrorBody::internal)?.map_err(ErrorBody::internal)?;
    Ok(json!({"deviceId": identity.device_id, "publicKey": identity.public_key}))
}

fn update(call: Call) -> Result<Value, ErrorBody> {
    read::<UpdateParams>("update.status", call.params)?;
    Ok(json!({
        "sentinel": null,
        "updateAvailable": null,
        "schedule": {"channel": "stable", "autoEnabled": false, "install": {"kind": "unknown"}},
    }))
}
