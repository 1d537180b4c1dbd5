//! The tools that come with the program, each through whole turns: a scripted model calls them, and
//! what they did is read where it happened (a platform's ledger, files, processes, web servers).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

#[path = "../support/mod.rs"]
mod support;

mod files;
mod kit;
mod messages;
mod policy;
mod sessions;
mod web;
