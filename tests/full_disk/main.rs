//! A disk that is full, nearly full, read-only or slow, under the real program.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

mod batches;
mod compaction;
#[path = "../service/kit.rs"]
mod kit;
mod places;
mod port;
mod rig;
#[path = "../support/shim.rs"]
mod shim;
mod slow;
mod watermark;
#[path = "../service/wire.rs"]
mod wire;
mod writes;
