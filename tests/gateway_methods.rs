//! The methods of the gateway beside chat, as a client sees them: over its port and its socket.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "gateway_methods/agents.rs"]
mod agents;
#[path = "gateway_methods/any_params.rs"]
mod any_params;
#[path = "gateway_methods/changes.rs"]
mod changes;
#[path = "gateway_methods/client.rs"]
mod client;
#[path = "gateway_methods/config.rs"]
mod config;
#[path = "gateway/device.rs"]
mod device;
#[path = "service/kit.rs"]
mod kit;
#[path = "gateway_methods/lives.rs"]
mod lives;
#[path = "gateway_methods/node_calls.rs"]
mod node_calls;
#[path = "gateway_methods/node_pending.rs"]
mod node_pending;
#[path = "gateway_methods/nodes.rs"]
mod nodes;
#[path = "gateway_methods/presence.rs"]
mod presence;
#[allow(dead_code, reason = "the parts that other tests use")]
#[path = "openclaw/programs.rs"]
mod programs;
#[path = "gateway_methods/restarts.rs"]
mod restarts;
#[path = "gateway_methods/sessions.rs"]
mod sessions;
#[path = "gateway_methods/strict.rs"]
mod strict;
mod support;
#[path = "gateway_methods/suspends.rs"]
mod suspends;
#[path = "gateway_methods/tools.rs"]
mod tools;
#[path = "service/wire.rs"]
mod wire;
#[path = "gateway_methods/wishes.rs"]
mod wishes;
