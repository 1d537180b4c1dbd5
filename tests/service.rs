//! The program as a service: starting, stopping, asking it, and what it says when it can't.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "service/abort.rs"]
mod abort;
#[path = "service/commands.rs"]
mod commands;
#[path = "service/config.rs"]
mod config;
#[path = "service/damage.rs"]
mod damage;
#[path = "service/heartbeat.rs"]
mod heartbeat;
#[path = "service/kit.rs"]
mod kit;
#[path = "service/lifetime.rs"]
mod lifetime;
#[path = "service/protocol.rs"]
mod protocol;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "service/troubles.rs"]
mod troubles;
#[path = "service/typed.rs"]
mod typed;
#[path = "service/wire.rs"]
mod wire;
