//! Jobs in the real program: its command line, and SIGKILL between claim, turn and delivery. The
//! model's own bill and the platform's database tell how often each instant was paid and announced.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "cron_service/commands.rs"]
mod commands;
#[path = "cron_service/kills.rs"]
mod kills;
#[path = "service/kit.rs"]
mod kit;
#[path = "cron_service/model.rs"]
mod model;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "cron_service/programs.rs"]
mod programs;
#[path = "cron_service/receiver.rs"]
mod receiver;
#[path = "cron_service/said.rs"]
mod said;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "cron_service/webhooks.rs"]
mod webhooks;
#[path = "service/wire.rs"]
mod wire;
