//! Failing models through the whole engine: every fault is made by a real HTTP server, and what the
//! engine did about it is read in the servers' own ledgers and the platform's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

mod chain;
mod config;
mod faults;
mod profiles;
mod secrets;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;
