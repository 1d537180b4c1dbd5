//! HTTP on the gateway's port, from outside: the real program, bytes on sockets, and the published
//! client of OpenAI's API, which `tests/openai_install` installs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::float_cmp,
    reason = "test helpers fail their test and say why; counts are whole numbers"
)]

#[path = "gateway_http/bad.rs"]
mod bad;
#[path = "gateway_http/client_tools.rs"]
mod client_tools;
#[path = "gateway_http/embeddings.rs"]
mod embeddings;
#[path = "gateway_http/github.rs"]
mod github;
#[path = "gateway_http/health.rs"]
mod health;
#[path = "gateway_http/hook_keys.rs"]
mod hook_keys;
#[path = "gateway_http/hooks.rs"]
mod hooks;
#[path = "gateway_http/images.rs"]
mod images;
#[path = "gateway_http/kills.rs"]
mod kills;
#[path = "gateway_http/kit.rs"]
mod kit;
#[path = "gateway_http/metrics.rs"]
mod metrics;
#[path = "gateway_http/model.rs"]
mod model;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "gateway_http/oidc.rs"]
mod oidc;
#[path = "gateway_http/openai.rs"]
mod openai;
#[path = "gateway_http/openmetrics.rs"]
mod openmetrics;
#[path = "service/kit.rs"]
mod service_kit;
#[path = "gateway_http/tools.rs"]
mod tools;
#[path = "service/wire.rs"]
mod wire;
