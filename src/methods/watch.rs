//! Where the gateway is, and what it tells those who watch.

use serde_json::{Value, json};

use super::chat::too_many;
use super::params::{Nothing, read};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The topic and the event of journeys.
pub(crate) const JOURNEYS: &str = "telson.journey";

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "telson.journey.subscribe",
        scope: Scope::Read,
        about: "be told what happens to messages, as telson.journey events",
        run: |call| ready(watch(&call, true)),
    },
    Method {
        name: "telson.journey.unsubscribe",
        scope: Scope::Read,
        about: "end that",
        run: |call| ready(watch(&call, false)),
    },
    Method {
        name: "telson.gateway.address",
        scope: Scope::Read,
        about: "where the gateway listens on this machine, and its certificate's fingerprint",
        run: |call| ready(address(&call)),
    },
];

fn watch(call: &Call, is_wanted: bool) -> Result<Value, ErrorBody> {
    let method = if is_wanted { "telson.journey.subscribe" } else { "telson.journey.unsubscribe" };
    read::<Nothing>(method, call.params.clone())?;
    let Some(link) = &call.link else {
        let text = "only a WebSocket can be told later; here, use telson.events.subscribe";
        return Err(ErrorBody::invalid(text));
    };
    if !is_wanted {
        link.unsubscribe(JOURNEYS);
    } else if !link.subscribe(JOURNEYS) {
        return Err(too_many());
    }
    Ok(json!({"subscribed": is_wanted}))
}

fn address(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("telson.gateway.address", call.params.clone())?;
    let address = call.host.gateway.get();
    let address = address.ok_or_else(|| ErrorBody::not_found("there is no gateway here"))?;
    let fingerprint = call.host.tls.get().map(|tls| tls.fingerprint().to_string());
    let scheme = if fingerprint.is_some() { "wss" } else { "ws" };
    let mut answer = json!({"url": format!("{scheme}://{address}")});
    let carried = call.host.tailnet_url();
    for (key, value) in [("tlsFingerprint", fingerprint), ("tailscaleUrl", carried)] {
        if let Some(value) = value {
            answer[key] = json!(value);
        }
    }
    Ok(answer)
}
