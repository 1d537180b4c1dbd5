//! The command line over the gateway, here and as from another machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "gateway_cli/asking.rs"]
mod asking;
#[path = "gateway_cli/chat.rs"]
mod chat;
#[path = "gateway_cli/double.rs"]
mod double;
#[path = "gateway_cli/journeys.rs"]
mod journeys;
#[path = "service/kit.rs"]
mod kit;
#[path = "gateway_cli/lists.rs"]
mod lists;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "gateway_cli/news.rs"]
mod news;
#[path = "gateway_cli/pty.rs"]
mod pty;
#[path = "gateway_cli/replays.rs"]
mod replays;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "gateway_cli/tables.rs"]
mod tables;
#[path = "gateway_cli/waiting.rs"]
mod waiting;
#[path = "service/wire.rs"]
mod wire;
