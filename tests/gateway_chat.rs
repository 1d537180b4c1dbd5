//! Chat over the gateway's port: the real program, a client of the protocol, and a model with its
//! own ledger.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "gateway_chat/agent.rs"]
mod agent;
#[path = "gateway_chat/attachments.rs"]
mod attachments;
#[path = "gateway_chat/client.rs"]
mod client;
#[path = "gateway_chat/compact.rs"]
mod compact;
#[path = "gateway_chat/draining.rs"]
mod draining;
#[path = "gateway_chat/endings.rs"]
mod endings;
#[path = "gateway_chat/keys.rs"]
mod keys;
#[path = "gateway_chat/kills.rs"]
mod kills;
#[path = "service/kit.rs"]
mod kit;
#[path = "gateway_chat/model.rs"]
mod model;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "gateway_chat/narrator.rs"]
mod narrator;
#[path = "gateway_chat/notes.rs"]
mod notes;
#[path = "gateway_chat/platform.rs"]
mod platform;
#[path = "gateway_chat/published.rs"]
mod published;
#[path = "gateway_chat/published_device.rs"]
mod published_device;
#[path = "gateway_chat/rig.rs"]
mod rig;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "gateway_chat/sending.rs"]
mod sending;
#[path = "gateway_chat/suspending.rs"]
mod suspending;
#[path = "gateway_chat/webchat.rs"]
mod webchat;
#[path = "service/wire.rs"]
mod wire;
#[path = "gateway_chat/wishes.rs"]
mod wishes;
