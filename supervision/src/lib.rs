//! Supervision trees for [ractor](https://docs.rs/ractor).
//!
//! ractor isolates actors and tells a parent when a child ends; what happens then is left to the
//! implementor, and its default is that the parent stops too. This crate is that missing part:
//!
//! * [`ChildSpec`]: how to start a child, when to restart it, how to stop it (drain, stop, kill).
//! * [`SupervisorSpec`]: ordered children under a [`Strategy`], with a restart budget
//!   ([`RestartIntensity`]) and what happens when it is spent: [`OnExceeded::Escalate`] to the
//!   parent, or [`OnExceeded::HalfOpen`]: stop this branch, leave the neighbours alone, try again later.
//! * [`dynamic`]: children by key, started on the first message, passivated without losing a message.
//! * [`Registry`]: names to mailboxes, one per tree, so that a restart needs no rewiring.
//! * [`Health`]: liveness is a *completed* unit of work; a child that is up but deaf is restarted.
//! * [`Tree`]: start, look at ([`Tree::snapshot`]), follow ([`Tree::events`]) and stop the whole.
//!
//! The decisions ([`Strategy::affected`], [`RestartIntensity`], [`Backoff`], [`decide`]) are pure.
//!
//! **Invariants.** V1: exceeding the intensity escalates or trips, never spins.
//! V2: stop order is the reverse of start order, each child drained or killed within its time.
//! A1: this crate knows nothing of what the actors do.

mod backoff;
mod board;
mod child_spec;
mod decision;
mod dice;
pub mod dynamic;
mod event;
mod health;
mod intensity;
mod registry;
mod shutdown;
mod strategy;
mod supervisor;
pub mod task;
mod tree;

pub use backoff::Backoff;
pub use board::{Node, NodeKind, NodeState};
pub use child_spec::{ChildSpec, RestartPolicy, Shutdown};
pub use decision::{Decision, Exit, decide};
pub use dice::Dice;
pub use event::{Event, EventKind, Events};
pub use health::Health;
pub use intensity::RestartIntensity;
pub use registry::{Registry, Undeliverable, Via};
pub use shutdown::{StopOutcome, stop};
pub use strategy::Strategy;
pub use supervisor::{OnExceeded, SupervisorSpec};
pub use tree::Tree;
