//! What becomes of messages that arrive while a turn runs: steered into it, queued behind it,
//! gathered, put in its place, or a word to stop. Judged by what the model was asked, what the tools
//! did, and what the platform received.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]

#[path = "queue/brought.rs"]
mod brought;
#[path = "queue/busy.rs"]
mod busy;
#[path = "queue/commands.rs"]
mod commands;
#[path = "queue/desk.rs"]
mod desk;
#[path = "queue/kills.rs"]
mod kills;
#[path = "queue/modes.rs"]
mod modes;
#[path = "queue/sigkill.rs"]
mod sigkill;
mod support;
#[path = "queue/typing.rs"]
mod typing;
