//! iMessage from end to end: rows written by this process, the real service, and what went out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "imessage/access.rs"]
mod access;
#[path = "imessage/database.rs"]
mod database;
#[path = "imessage/doubt.rs"]
mod doubt;
#[path = "imessage/kills.rs"]
mod kills;
#[path = "service/kit.rs"]
mod kit;
#[path = "imessage/pairing.rs"]
mod pairing;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "imessage/sends.rs"]
mod sends;
#[path = "imessage/shapes.rs"]
mod shapes;
#[path = "service/wire.rs"]
mod wire;
