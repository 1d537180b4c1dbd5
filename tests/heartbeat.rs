//! System events and heartbeats, over the whole engine: what agents are told and when they wake by
//! themselves. Judged by what the model was asked and what the platform received; time is paused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

#[path = "heartbeat/again.rs"]
mod again;
#[path = "heartbeat/answers.rs"]
mod answers;
#[path = "heartbeat/events.rs"]
mod events;
#[path = "heartbeat/gates.rs"]
mod gates;
#[path = "heartbeat/kills.rs"]
mod kills;
#[path = "heartbeat/kit.rs"]
mod kit;
#[path = "support/mortal.rs"]
mod mortal;
#[path = "heartbeat/rows.rs"]
mod rows;
mod support;
