//! Conversations that grow too long, and what they cost: judged by the model's own books.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "context/books.rs"]
mod books;
#[path = "context/commands.rs"]
mod commands;
#[path = "service/kit.rs"]
mod kit;
#[path = "context/media.rs"]
mod media;
#[path = "context/mock.rs"]
mod mock;
#[path = "context/overflow.rs"]
mod overflow;
#[path = "context/prompt.rs"]
mod prompt;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "context/service.rs"]
mod service;
mod support;
#[path = "service/wire.rs"]
mod wire;
