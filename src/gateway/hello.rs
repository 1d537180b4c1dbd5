//! `hello-ok`: what a client is told when it is let in.

use serde_json::{Value, json};

use super::admission::Admitted;
use super::handshake::PROTOCOL;
use super::settings::Policy;
use crate::engine::Engine;
use crate::host::Host;
use crate::methods::{methods, report};

/// The events that may come.
const EVENTS: &[&str] = &[
    "connect.challenge",
    "config.changed",
    "node.invoke.progress",
    "node.invoke.request",
    "node.pair.requested",
    "node.pair.resolved",
    "gateway.suspension",
    "agent",
    "chat",
    "cron",
    "device.pair.requested",
    "device.pair.resolved",
    "health",
    "heartbeat",
    "presence",
    "session.message",
    "sessions.changed",
    "telson.attempt",
    "telson.webchat",
    "shutdown",
    "telson.journey",
    "telson.journey.missed",
    "tick",
];

/// The payload.
pub(super) fn hello(
    engine: &Engine,
    host: &Host,
    policy: &Policy,
    admitted: &Admitted,
    connection: &str,
) -> Value {
    let grant = &admitted.grant;
    let scopes: Vec<&str> = grant.scopes.iter().map(|scope| scope.name()).collect();
    let mut auth = json!({"role": grant.role.name(), "scopes": scopes});
    if let Some((token, issued_at)) = &admitted.issued {
        auth["deviceToken"] = json!(token);
        auth["issuedAtMs"] = json!(issued_at);
    }
    let default_agent = host
        .config
        .as_ref()
        .and_then(crate::config::Config::default_agent)
        .unwrap_or("main".into());
    let main_key = host.config.as_ref().map_or("main", |config| &config.session.main_key);
    json!({
        "type": "hello-ok",
        "protocol": PROTOCOL,
        "server": {"version": env!("CARGO_PKG_VERSION"), "connId": connection},
        "features": {
            "methods": methods().map(|method| method.name).collect::<Vec<_>>(),
            "events": EVENTS,
            // Without it the command line shows what it remembers in place of `models.list`.
            "capabilities": ["published-model-catalog"],
        },
        "snapshot": {
            "presence": host.guests.presence(engine.clock().now().0),
            "health": report::health(engine, host),
            "stateVersion": host.guests.state_version(),
            "authMode": grant.method,
            "suspension": {"phase": engine.suspension().phase().name()},
            "uptimeMs": u64::try_from(engine.uptime().as_millis()).unwrap_or(u64::MAX),
            "sessionDefaults": {
                "defaultAgentId": default_agent,
                "mainKey": main_key,
                "mainSessionKey": format!("agent:{default_agent}:{main_key}"),
                "scope": report::scope(host),
            },
        },
        "auth": auth,
        "policy": {
            "maxPayload": policy.payload_max,
            "maxBufferedBytes": policy.buffered_max,
            "tickIntervalMs": u64::try_from(policy.tick.as_millis()).unwrap_or(u64::MAX),
            "attachments": {
                "maxBytes": policy.attachment_max.0,
                "maxImageBytes": policy.attachment_max.1,
            },
        },
    })
}
