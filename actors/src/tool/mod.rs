//! What an agent can do besides talking: tools, and the actor that calls them for sessions.
//!
//! A call is journalled by the session before it is handed over, with its arguments checked, and
//! its result before the model sees it. A call that was cut off is repeated only where the tool
//! says that repeating is harmless.

mod actor;
mod aside;
pub mod cap;
pub mod core;
pub mod gate;
pub mod policy;
pub mod schema;
mod toolbox;

pub use actor::{CallKey, TOOLS, ToolActor, ToolDeps, ToolMessage, ToolReply};
pub use toolbox::{ToolSource, Toolbox};

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::message::SessionKey;
use crate::provider::ToolSpec;

/// A tool. One value serves all sessions at once.
pub trait Tool: Send + Sync + 'static {
    /// What the model is told of it.
    fn spec(&self) -> ToolSpec;

    /// How a call behaves, as data.
    fn traits(&self) -> ToolTraits {
        ToolTraits::default()
    }

    /// Makes one call. The arguments are an object that fits the schema. What goes wrong is told to
    /// the model in words.
    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>>;
}

/// How the calls of a tool behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolTraits {
    /// Whether a second call with the same arguments changes nothing: then a call that was cut off
    /// is simply made again.
    pub is_idempotent: bool,
    /// Longest time of one call.
    pub deadline: Duration,
}

impl Default for ToolTraits {
    /// Not to be repeated, two minutes.
    fn default() -> Self {
        Self { is_idempotent: false, deadline: Duration::from_mins(2) }
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Who calls.
    pub session: SessionKey,
    /// For which agent.
    pub agent: String,
    /// In which turn: the number of the first message it answers.
    pub turn: u64,
    /// Its arguments.
    pub arguments: Value,
    /// The same for every attempt at this call and for no other: for services that take such a key.
    pub idempotency_key: String,
}
