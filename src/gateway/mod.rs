//! The gateway: one port for clients, apps, pages and programs.
//!
//! It speaks the OpenClaw gateway protocol, version 4, on WebSocket, and HTTP beside it. [`wire`] and
//! [`handshake`] decide, [`connection`] is the shell of one client, [`listener`] the actor that owns
//! them all. What happens is told through the [`Hub`].

mod connection;
mod gate;
pub mod handshake;
mod hello;
mod http;
mod hub;
mod link;
mod listener;
mod open;
mod outgoing;
mod settings;
pub mod wire;

pub use hub::{Hub, HubEvent};
pub(crate) use listener::GATEWAY;
pub use listener::GatewaySpec;
pub use open::{PORT, TOKEN_FILE, open};
pub use settings::{Policy, Settings};
