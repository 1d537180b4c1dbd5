//! How the children of a dynamic supervisor are started and limited.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{ActorCell, ActorRef, Message, SpawnErr};

use super::{Dynamic, Shared};
use crate::board::{Board, NodeKind};
use crate::{Backoff, ChildSpec, Dice, Events, Health, Registry, Shutdown};

type StartFuture<M> = Pin<Box<dyn Future<Output = Result<ActorRef<M>, SpawnErr>> + Send>>;
type Start<K, M> = Arc<dyn Fn(K, ActorCell) -> StartFuture<M> + Send + Sync>;

/// A key of a dynamic child. Keys have an order, so that what is done to all of them is done in the
/// same order in every run.
pub trait Key: Clone + Ord + fmt::Display + Send + Sync + 'static {}
impl<K: Clone + Ord + fmt::Display + Send + Sync + 'static> Key for K {}

/// How the children of a dynamic supervisor are started and limited.
pub struct DynamicSpec<K, M> {
    /// Path from the root, also the name under which the supervisor registers.
    pub path: String,
    /// Starts the child of a key, linked to the given cell. It should return at once: long work
    /// (loading state) belongs into the child's `post_start`.
    pub start: Start<K, M>,
    /// Most keys with a child, counting those that wait for a restart. Beyond it messages for
    /// further keys wait until one leaves.
    pub live_max: usize,
    /// Most messages that wait for one child that is restarting, leaving or without room; beyond
    /// it the oldest is dropped, with an event.
    pub backlog_max: usize,
    /// Restarts allowed per key and window.
    pub restarts_max: u32,
    /// The window.
    pub window: Duration,
    /// The pause of a key that spent its budget.
    pub rest: Duration,
    /// Pauses between restarts.
    pub backoff: Backoff,
    /// Time for all children together to drain at shutdown.
    pub shutdown: Shutdown,
    /// Tells a child that its place is wanted; it may drain itself if it is idle.
    pub make_room: Option<Arc<dyn Fn() -> M + Send + Sync>>,
    /// Where events go.
    pub events: Events,
    /// Jitter.
    pub dice: Dice,
}

impl<K: Key, M: Message> DynamicSpec<K, M> {
    /// Children started by `start`, with budgets fit for thousands of small actors.
    pub fn new<F, Fut>(path: impl Into<String>, start: F) -> Self
    where
        F: Fn(K, ActorCell) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ActorRef<M>, SpawnErr>> + Send + 'static,
    {
        Self {
            path: path.into(),
            start: Arc::new(move |key, parent| Box::pin(start(key, parent))),
            live_max: 10_000,
            backlog_max: 1_000,
            restarts_max: 5,
            window: Duration::from_mins(1),
            rest: Duration::from_secs(30),
            backoff: Backoff::new(Duration::from_millis(10), Duration::from_secs(5), 0.2),
            shutdown: Shutdown { drain: Duration::from_secs(10), stop: Duration::from_secs(1) },
            make_room: None,
            events: Events::new(),
            dice: Dice::random(),
        }
    }

    /// This supervisor as a child of a static one; it answers in `registry` to its path.
    pub fn into_child(self, id: &str, registry: Registry) -> ChildSpec {
        let board = Board::new(NodeKind::Dynamic);
        let health = Health::new();
        let shutdown = Shutdown {
            drain: self.shutdown.drain + Duration::from_secs(1),
            stop: self.shutdown.stop + self.shutdown.drain,
        };
        let shared = Arc::new(Shared {
            spec: self,
            registry,
            board: board.clone(),
            health: health.clone(),
            alive: Mutex::default(),
        });
        ChildSpec::actor(id, move || (Dynamic::new(), shared.clone()))
            .shutdown(shutdown)
            .health(health)
            .with_board(board)
    }
}
