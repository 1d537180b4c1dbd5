//! Hooks through whole turns: told, asked, and never able to lose a message.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

mod support;

#[path = "hooks/asked.rs"]
mod asked;
#[path = "hooks/crash.rs"]
mod crash;
#[path = "hooks/kit.rs"]
mod kit;
#[path = "hooks/programs.rs"]
mod programs;
#[path = "hooks/told.rs"]
mod told;
