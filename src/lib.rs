//! Telson: an actor-model message-routing engine that never loses a message and never silently
//! doubles one.
//!
//! [`Engine`] is the whole of it: a durable store and a supervision tree over it. It runs inside any
//! tokio program, without files besides its store, environment variables or signals of its own; the
//! `telson` program is one such program. What passes through it is described in [`actors`]; the
//! supervision tree by itself is [`supervision`].

mod assembly;
pub mod cli;
pub mod config;
pub mod control;
mod defaults;
pub mod demo;
mod engine;
pub mod frame;
pub mod gateway;
pub mod gateway_client;
mod hex;
mod host;
mod limits;
pub mod logs;
mod media;
pub mod methods;
mod put_file;
pub mod restart;
pub mod selftest;
mod state_dir;
mod tree;
mod turns;
mod workspace;

pub use assembly::{Assembly, assemble};
pub use engine::{
    AbortError, AccountSpec, Builder, ChooseError, EditError, EmbedError, Engine, EngineFailure,
    LastExchange, Outcome, ProviderSpec, Relay, SessionFacts, StartError, StoreSpec, WakeError,
};
pub use host::{Facts, Host};
pub use limits::Limits;
pub use telson_actors as actors;
pub use telson_supervision as supervision;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
