//! Where the gateway is, and what it tells those who watch.

use serde_json::{Value, json};

use super::chat::too_many;
use super::params::{Nothing, read};
use super::{Call, ErrorBody, Method, Scope, ready};
use crate::gateway::narrator::story::At;
use crate::gateway::narrator::tale::ATTEMPTS;

/// The topic and the event of journeys.
pub(crate) const JOURNEYS: &str = "telson.journey";

/// Those by which a connection asks for models that give no answer, and ends that.
pub(crate) const ATTEMPTS_METHODS: [&str; 2] =
    ["telson.attempt.subscribe", "telson.attempt.unsubscribe"];
/// Runs told of at once to whoever begins to listen: more nobody reads.
const FAILING_MAX: usize = 256;

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
        name: ATTEMPTS_METHODS[0],
        scope: Scope::Read,
        about: "be told of models that give no answer, as telson.attempt events",
        run: |call| ready(attempts(&call, true)),
    },
    Method {
        name: ATTEMPTS_METHODS[1],
        scope: Scope::Read,
        about: "end that",
        run: |call| ready(attempts(&call, false)),
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
    set(call, (method, JOURNEYS), is_wanted)?;
    Ok(json!({"subscribed": is_wanted}))
}

/// Whoever begins to listen is told at once what goes wrong already.
fn attempts(call: &Call, is_wanted: bool) -> Result<Value, ErrorBody> {
    let [begin, end] = ATTEMPTS_METHODS;
    set(call, (if is_wanted { begin } else { end }, ATTEMPTS), is_wanted)?;
    let clock = call.engine.clock();
    let at = At { wall: clock.now(), steady: clock.steady() };
    let failing = if is_wanted { call.host.runs.failing(FAILING_MAX, at) } else { Vec::new() };
    Ok(json!({"subscribed": is_wanted, "failing": failing}))
}

fn set(call: &Call, (method, topic): (&str, &str), is_wanted: bool) -> Result<(), ErrorBody> {
    read::<Nothing>(method, call.params.clone())?;
    let Some(link) = &call.link else {
        let text = "only a WebSocket can be told later; here, use telson.events.subscribe";
        return Err(ErrorBody::invalid(text));
    };
    if !is_wanted {
        link.unsubscribe(topic);
    } else if !link.subscribe(topic) {
        return Err(too_many());
    }
    Ok(())
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
