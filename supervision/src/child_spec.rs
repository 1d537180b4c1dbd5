//! How a child is started, restarted and stopped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, SpawnErr};

use crate::Health;
use crate::board::Board;

/// When a supervisor starts a child again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Always: it must be there as long as the supervisor is.
    Permanent,
    /// After an abnormal end only.
    Transient,
    /// Never.
    Temporary,
}

/// How long a child gets to stop: first it drains its mailbox, then it is asked to stop at once,
/// then it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Time to finish what is queued.
    pub drain: Duration,
    /// Time to stop without finishing the queue.
    pub stop: Duration,
}

impl Shutdown {
    /// Five seconds to drain and one to stop: for actors whose queue is short work.
    pub const DEFAULT: Shutdown =
        Shutdown { drain: Duration::from_secs(5), stop: Duration::from_secs(1) };
}

pub(crate) type StartFuture = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;
pub(crate) type Start = Arc<dyn Fn(ActorCell) -> StartFuture + Send + Sync>;

/// A child of a static supervisor.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) start: Start,
    pub(crate) restart: RestartPolicy,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: Option<Health>,
    pub(crate) silence_max: Option<Duration>,
    pub(crate) board: Option<Board>,
}

impl ChildSpec {
    /// A permanent child. `start` gets the supervisor's cell and must spawn the actor linked to it.
    pub fn new<F, Fut>(id: impl Into<Arc<str>>, start: F) -> Self
    where
        F: Fn(ActorCell) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ActorCell, SpawnErr>> + Send + 'static,
    {
        Self {
            id: id.into(),
            start: Arc::new(move |supervisor| Box::pin(start(supervisor))),
            restart: RestartPolicy::Permanent,
            shutdown: Shutdown::DEFAULT,
            health: None,
            silence_max: None,
            board: None,
        }
    }

    /// A permanent child that is one actor; `make` gives a fresh one for every start.
    pub fn actor<A, F>(id: impl Into<Arc<str>>, make: F) -> Self
    where
        A: Actor,
        F: Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    {
        Self::new(id, move |supervisor| {
            let (actor, arguments) = make();
            async move {
                let (child, _) = Actor::spawn_linked(None, actor, arguments, supervisor).await?;
                Ok(child.get_cell())
            }
        })
    }

    /// Its name among its siblings.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sets the restart policy.
    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// Sets how long stopping may take.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Shows the child's completed work and mailbox depth in the tree.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    /// Restarts the child when it has completed no unit of work for `silence_max`.
    /// Needs [`ChildSpec::health`]; a child that never completed anything counts from its start.
    #[must_use]
    pub fn silence_max(mut self, silence_max: Duration) -> Self {
        self.silence_max = Some(silence_max);
        self
    }

    pub(crate) fn with_board(mut self, board: Board) -> Self {
        self.board = Some(board);
        self
    }
}

/// Why a start failed. ractor's own text calls every returned error a panic.
pub(crate) fn start_failure(error: SpawnErr) -> String {
    match error {
        SpawnErr::StartupFailed(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("silence_max", &self.silence_max)
            .finish_non_exhaustive()
    }
}
