//! A supervisor and its children, described before they run.

use std::time::Duration;

use super::Supervisor;
use crate::board::{Board, NodeKind};
use crate::{Backoff, ChildSpec, Dice, Events, Shutdown, Strategy};

/// What happens when the restart budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExceeded {
    /// The supervisor fails too, so that its parent decides.
    Escalate,
    /// The branch stops, its neighbours go on; after the pause it is tried again on probation:
    /// one more failure inside the window and it pauses again.
    HalfOpen(Duration),
}

/// A supervisor and its children.
#[derive(Debug, Clone)]
pub struct SupervisorSpec {
    /// Path from the root, such as `engine/core`.
    pub path: String,
    /// How far a restart reaches.
    pub strategy: Strategy,
    /// Restarts allowed per window.
    pub restarts_max: u32,
    /// The window.
    pub window: Duration,
    /// When the budget is spent.
    pub on_exceeded: OnExceeded,
    /// Pauses before restarts.
    pub backoff: Backoff,
    /// Children in start order.
    pub children: Vec<ChildSpec>,
    /// Where events go.
    pub events: Events,
    /// Jitter.
    pub dice: Dice,
}

impl SupervisorSpec {
    /// A supervisor that escalates, with a pause of 50 ms to 5 s between restarts.
    pub fn new(
        path: impl Into<String>,
        strategy: Strategy,
        restarts_max: u32,
        window: Duration,
    ) -> Self {
        Self {
            path: path.into(),
            strategy,
            restarts_max,
            window,
            on_exceeded: OnExceeded::Escalate,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5), 0.2),
            children: Vec::new(),
            events: Events::new(),
            dice: Dice::random(),
        }
    }

    /// Adds a child after those already there.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// Adds children after those already there: none, one (as an `Option`) or a list.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = ChildSpec>) -> Self {
        self.children.extend(children);
        self
    }

    /// This supervisor as a child of another. It stops its own children when it is stopped, so it
    /// gets `shutdown` for all of them together.
    pub fn into_child(self, id: &str, shutdown: Shutdown) -> ChildSpec {
        let board = Board::new(NodeKind::Branch(self.strategy));
        let started_board = board.clone();
        ChildSpec::actor(id, move || (Supervisor, (self.clone(), started_board.clone())))
            .shutdown(shutdown)
            .with_board(board)
    }
}
