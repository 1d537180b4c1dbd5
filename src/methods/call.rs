//! One call of a method: who asks, for what, and what it works on.

use std::sync::Arc;

use serde_json::Value;

use super::{Role, Scope};
use crate::engine::Engine;
use crate::host::Host;

/// A call. A method answers once; one that has more to say first, says it over the [`Link`].
#[derive(Clone)]
pub struct Call {
    /// The engine.
    pub engine: Engine,
    /// What the service around the engine knows.
    pub host: Host,
    /// The parameters, as they came.
    pub params: Value,
    /// Who asks.
    pub caller: Caller,
    /// The connection it came over, if it lives longer than the call.
    pub link: Option<Arc<dyn Link>>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For logs and records: a connection's id, or `control`.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// What it may do, by the server's own record.
    pub scopes: Vec<Scope>,
    /// The device it is, proven by its key.
    pub device: Option<String>,
}

/// A connection that can be told more than one answer.
pub trait Link: Send + Sync {
    /// Which connection it is, among those of this moment.
    fn connection(&self) -> usize;
    /// Answers the call without ending it: its last answer follows under the same id.
    fn answer_early(&self, payload: Value);
    /// Begins to tell a connection of a kind of event it asked for, such as `sessions` or
    /// `session:<key>`; `false` if it has asked for too many.
    #[must_use]
    fn subscribe(&self, topic: &str) -> bool;
    /// Ends that.
    fn unsubscribe(&self, topic: &str);
    /// Tells the connection of an event, and nobody else; `false` if it does not read what it was
    /// told before, and then it is not told.
    fn tell(&self, event: &'static str, payload: Value) -> bool;
}

impl Caller {
    /// The owner of this machine's account, over the local socket.
    pub fn local() -> Self {
        Self::operator("control", vec![Scope::Admin])
    }

    /// A person or program without a device of its own.
    pub fn operator(name: impl Into<String>, scopes: Vec<Scope>) -> Self {
        Self { name: name.into(), role: Role::Operator, scopes, device: None }
    }

    /// Whether it may do what needs `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.includes(scope))
    }
}
