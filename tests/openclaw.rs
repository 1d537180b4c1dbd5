//! The published OpenClaw programs, unmodified, against a running Telson: its command line, its
//! terminal interface, and the published schema of every frame that leaves us.
//!
//! They need 700 MB and Linux on x64; `tests/openclaw_install` puts them into a cache. Without them
//! these tests say so and do nothing, but in CI they must be there.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "openclaw/commands.rs"]
mod commands;
#[path = "openclaw/frames.rs"]
mod frames;
#[path = "service/kit.rs"]
mod kit;
#[path = "openclaw/programs.rs"]
mod programs;
#[path = "openclaw/recorder.rs"]
mod recorder;
#[path = "openclaw/scene.rs"]
mod scene;
#[path = "openclaw/terminal.rs"]
mod terminal;
#[path = "service/wire.rs"]
mod wire;
