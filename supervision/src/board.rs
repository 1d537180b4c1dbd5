//! What a tree looks like right now. Readable at any time, also while a supervisor is busy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{ActorCell, ActorStatus};
use serde::Serialize;
use tokio::time::Instant;

use crate::{Health, Strategy};

/// One actor or branch of the tree.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// Its name among its siblings.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// How it is.
    pub state: NodeState,
    /// How often it was restarted since the tree started.
    pub restarts: u32,
    /// Why it last ended.
    pub last_error: Option<String>,
    /// What it says of itself.
    pub note: Option<String>,
    /// Messages waiting.
    pub mailbox_depth: u64,
    /// Milliseconds since it last completed a unit of work, where it keeps count.
    pub idle_ms: Option<u64>,
    /// Milliseconds since it was last started.
    pub up_ms: Option<u64>,
    /// Live children of a dynamic branch, which are too many to list.
    pub live: Option<usize>,
    /// Its children in start order.
    pub children: Vec<Node>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A plain actor.
    Worker,
    /// A supervisor of listed children.
    Branch(Strategy),
    /// A supervisor of children by key.
    Dynamic,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It runs.
    Running,
    /// It waits for its restart.
    Restarting,
    /// Its branch spent the restart budget and waits for the next try.
    Tripped,
    /// It is stopped, and meant to be.
    Stopped,
}

/// The record of one supervisor, written by it, read by anyone.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<BoardInner>);

#[derive(Debug)]
struct BoardInner {
    kind: NodeKind,
    slots: Mutex<Vec<Slot>>,
    live: Mutex<Option<usize>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) id: Arc<str>,
    pub(crate) state: NodeState,
    pub(crate) restarts: u32,
    pub(crate) last_error: Option<String>,
    pub(crate) started: Option<Instant>,
    /// The running actor, so that a chaos test can kill it by its path.
    pub(crate) cell: Option<ActorCell>,
    pub(crate) health: Option<Health>,
    pub(crate) board: Option<Board>,
}

impl Board {
    pub(crate) fn new(kind: NodeKind) -> Self {
        Self(Arc::new(BoardInner { kind, slots: Mutex::default(), live: Mutex::new(None) }))
    }

    pub(crate) fn reset(&self, slots: Vec<Slot>) {
        *self.0.slots.lock().unwrap_or_else(PoisonError::into_inner) = slots;
    }

    pub(crate) fn update(&self, index: usize, change: impl FnOnce(&mut Slot)) {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get_mut(index) {
            change(slot);
        }
    }

    pub(crate) fn set_live(&self, live: usize) {
        *self.0.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live);
    }

    pub(crate) fn has_slots(&self) -> bool {
        !self.0.slots.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The actors a supervisor that did not end in order has left behind.
    pub(crate) fn left_behind(&self) -> Vec<ActorCell> {
        let slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().filter_map(|slot| slot.cell.clone()).filter(is_alive).collect()
    }

    /// The actor at `path`, relative to this branch. Names may hold slashes themselves.
    pub(crate) fn find(&self, path: &str) -> Option<ActorCell> {
        let slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().find_map(|slot| {
            let rest = path.strip_prefix(&*slot.id)?;
            if rest.is_empty() {
                return slot.cell.clone().filter(is_alive);
            }
            slot.board.as_ref()?.find(rest.strip_prefix('/')?)
        })
    }

    /// Where the child at `path` is: its supervisor, which is absent for this branch's own children, and
    /// its place there. Children of dynamic branches have none.
    pub(crate) fn place(&self, path: &str) -> Option<(Option<ActorCell>, usize)> {
        let slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().enumerate().find_map(|(index, slot)| {
            let rest = path.strip_prefix(&*slot.id)?;
            if rest.is_empty() {
                return Some((None, index));
            }
            let (parent, index) = slot.board.as_ref()?.place(rest.strip_prefix('/')?)?;
            Some((parent.or_else(|| slot.cell.clone()), index))
        })
    }

    /// The branch itself as a node named `id`.
    pub(crate) fn node(&self, id: &str) -> Node {
        let slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Node {
            id: id.to_owned(),
            kind: self.0.kind,
            state: NodeState::Running,
            restarts: 0,
            last_error: None,
            note: None,
            mailbox_depth: 0,
            idle_ms: None,
            up_ms: None,
            live: *self.0.live.lock().unwrap_or_else(PoisonError::into_inner),
            children: slots.iter().map(Slot::node).collect(),
        }
    }
}

impl Slot {
    pub(crate) fn new(id: Arc<str>, health: Option<Health>, board: Option<Board>) -> Self {
        Self {
            id,
            state: NodeState::Stopped,
            restarts: 0,
            last_error: None,
            started: None,
            cell: None,
            health,
            board,
        }
    }

    fn node(&self) -> Node {
        let mut node = match &self.board {
            Some(board) => board.node(&self.id),
            None => Board::new(NodeKind::Worker).node(&self.id),
        };
        // A supervisor that was killed could not write down the end of its children.
        let is_up = self.cell.as_ref().is_some_and(is_alive);
        let is_lost = self.state == NodeState::Running && !is_up;
        node.state = if is_lost { NodeState::Stopped } else { self.state };
        node.restarts = self.restarts;
        node.last_error.clone_from(&self.last_error);
        node.up_ms = self.started.filter(|_| is_up).map(|at| millis(at.elapsed()));
        if let Some(health) = &self.health {
            node.note = health.note();
            node.mailbox_depth = health.depth();
            node.idle_ms = health.idle().map(millis);
        }
        node
    }
}

fn is_alive(cell: &ActorCell) -> bool {
    cell.get_status() != ActorStatus::Stopped
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
