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
//! # A tree of one actor
//!
//! ```
//! use std::time::Duration;
//!
//! use ractor::{Actor, ActorProcessingErr, ActorRef};
//! use telson_supervision::{ChildSpec, EventKind, Registry, Strategy, SupervisorSpec, Tree};
//!
//! /// Adds numbers, and can't stand thirteen.
//! struct Adder;
//!
//! impl Actor for Adder {
//!     type Msg = u32;
//!     type State = u32;
//!     type Arguments = Registry;
//!
//!     async fn pre_start(
//!         &self,
//!         myself: ActorRef<u32>,
//!         registry: Registry,
//!     ) -> Result<u32, ActorProcessingErr> {
//!         registry.register("adder", &myself, None);
//!         Ok(0)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         _: ActorRef<u32>,
//!         number: u32,
//!         sum: &mut u32,
//!     ) -> Result<(), ActorProcessingErr> {
//!         if number == 13 {
//!             return Err("thirteen".into()); // As good as a panic: the actor ends, and fails.
//!         }
//!         *sum += number;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let names = registry.clone();
//! // At most three restarts in a minute; then the root gives up, and `Tree::ended` returns.
//! let root = SupervisorSpec::new("app", Strategy::OneForOne, 3, Duration::from_secs(60))
//!     .child(ChildSpec::actor("adder", move || (Adder, names.clone())));
//! let tree = Tree::start(root).await?;
//!
//! // A handle goes by name, so it reaches whoever is the adder now.
//! let adder = registry.via::<u32>("adder");
//! let mut events = tree.events();
//! adder.cast(13)?;
//! while events.recv().await?.kind != EventKind::Started {}
//! adder.cast(1)?;
//! assert_eq!(tree.snapshot().children[0].restarts, 1);
//!
//! tree.shutdown(Duration::from_secs(5)).await;
//! assert!(adder.cast(2).is_err(), "nobody is there, and the message comes back");
//! # Ok(())
//! # }
//! ```
//!
//! A supervisor is a child like any other: [`SupervisorSpec::into_child`] puts one below another.
//! Children by key are shown in [`dynamic`], work that is no actor in [`task`].
//!
//! # What to know
//!
//! * ractor's mailboxes have no limit, and a crash drops what is in them. Whoever must not lose a
//!   message makes it durable first; `pre_start` is the place to read it back.
//! * A child is started when its `pre_start` has returned, and the next one begins after it. Long work
//!   belongs into `post_start`.
//! * An expected failure (a server that is away, a refused key) is best kept as state, shown with
//!   [`Health::set_note`]. Restarts are for what nobody expected, and their budget is small.
//! * An actor that has children of its own has to handle their ends, as [`task::spawn`] says.
//! * Time is tokio's: with a paused clock, pauses and windows pass at once, and tests are quick.
//! * Randomness (the spread of pauses) comes from [`Dice`]; with a seed every run is the same.
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
mod exit;
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
