//! The whole: start it, look at it, wait for its end, stop it.

use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef, SpawnErr};
use tokio::sync::broadcast;

use crate::board::{Board, NodeKind};
use crate::supervisor::{Supervisor, SupervisorMessage};
use crate::{Event, Events, Node, Shutdown, StopOutcome, SupervisorSpec, stop};

/// A running supervision tree.
#[derive(Debug)]
pub struct Tree {
    root: ActorCell,
    id: String,
    board: Board,
    events: Events,
}

impl Tree {
    /// Starts the root supervisor and everything below it, in order.
    ///
    /// # Errors
    /// The first child that could not start, after those before it were stopped again.
    pub async fn start(spec: SupervisorSpec) -> Result<Self, SpawnErr> {
        let (id, events) = (spec.path.clone(), spec.events.clone());
        let board = Board::new(NodeKind::Branch(spec.strategy));
        let (root, _) = Actor::spawn(None, Supervisor, (spec, board.clone())).await?;
        Ok(Self { root: root.get_cell(), id, board, events })
    }

    /// The tree as it is now.
    pub fn snapshot(&self) -> Node {
        self.board.node(&self.id)
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Kills the actor at `path` (such as `core/router`, relative to the root) as a crash would;
    /// `false` if there is none. For chaos tests: its supervisor then does what it would do.
    pub fn kill(&self, path: &str) -> bool {
        match self.board.find(path) {
            Some(cell) => {
                cell.kill();
                true
            }
            None => false,
        }
    }

    /// Stops the child at `path` and keeps it stopped, or lets it run again; `false` if there is no such
    /// child. Its supervisor forgets about it when it is itself started anew.
    pub fn hold(&self, path: &str, is_held: bool) -> bool {
        let Some((parent, index)) = self.board.place(path) else { return false };
        let parent = parent.unwrap_or_else(|| self.root.clone());
        let parent: ActorRef<SupervisorMessage> = parent.into();
        parent.send_message(SupervisorMessage::Hold { index, is_held }).is_ok()
    }

    /// Returns when the root has ended: after [`Tree::shutdown`], or because a failure escalated
    /// all the way up.
    pub async fn ended(&self) {
        drop(self.root.wait(None).await);
    }

    /// Stops everything in reverse start order; kills what is left after `deadline`.
    pub async fn shutdown(&self, deadline: Duration) -> StopOutcome {
        stop(&self.root, Shutdown { drain: deadline, stop: Duration::from_secs(1) }).await
    }
}
