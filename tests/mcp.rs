//! Tools of MCP servers in whole turns: published servers, a server with moods, and the published
//! conformance suite. `tests/tools_install` installs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test helper fails its test and says why"
)]

mod support;

#[path = "mcp/conformance.rs"]
mod conformance;
#[path = "mcp/http.rs"]
mod http;
#[path = "mcp/kit.rs"]
mod kit;
#[path = "mcp/moods.rs"]
mod moods;
#[path = "mcp/published.rs"]
mod published;
#[path = "mcp/resume.rs"]
mod resume;
#[path = "mcp/service.rs"]
mod service;
#[path = "service/kit.rs"]
mod service_kit;
#[path = "service/wire.rs"]
mod wire;
