//! The children of one supervisor: started in order, stopped in reverse (V2).

use std::ops::Range;
use std::time::Duration;

use ractor::{ActorCell, ActorId, ActorProcessingErr};
use tokio::time::Instant;

use super::{Myself, OnExceeded, SupervisorMessage, SupervisorSpec};
use crate::board::{Board, NodeState, Slot};
use crate::child_spec::start_failure;
use crate::event::EventKind;
use crate::{ChildSpec, Exit, RestartIntensity, stop};

/// A child and what is known of it.
pub(super) struct Child {
    pub(super) spec: ChildSpec,
    pub(super) running: Option<(ActorCell, Instant)>,
    /// Restarts in a row, for the back-off.
    pub(super) attempt: u32,
    /// Grows with every change, so that a stale timer finds out.
    pub(super) generation: u64,
    /// It is not to be started again: its policy says so.
    pub(super) done: bool,
    /// It is being killed after this long without a completed unit of work.
    pub(super) deaf: Option<Duration>,
}

/// A supervisor's memory.
pub(crate) struct Branch {
    pub(super) spec: SupervisorSpec,
    pub(super) board: Board,
    pub(super) origin: Instant,
    pub(super) intensity: RestartIntensity,
    pub(super) children: Vec<Child>,
    pub(super) tripped: bool,
}

impl Branch {
    pub(super) fn new(spec: SupervisorSpec, board: Board) -> Self {
        // A restarted supervisor keeps the counters of its children.
        if !board.has_slots() {
            board.reset(spec.children.iter().map(slot_of).collect());
        }
        let children = spec.children.iter().cloned().map(Child::new).collect();
        let intensity = RestartIntensity::new(spec.restarts_max, spec.window);
        Self { spec, board, origin: Instant::now(), intensity, children, tripped: false }
    }

    pub(super) fn index_of(&self, id: ActorId) -> Option<usize> {
        self.children
            .iter()
            .position(|child| child.running.as_ref().is_some_and(|(cell, _)| cell.get_id() == id))
    }

    pub(super) fn emit(&self, index: usize, kind: EventKind) {
        self.spec.events.emit(&self.spec.path, &self.children[index].spec.id, kind);
    }

    /// Starts the stopped children of `range` in order; stops at the first that fails.
    pub(super) async fn start(
        &mut self,
        myself: &Myself,
        range: Range<usize>,
    ) -> Result<(), (usize, String)> {
        for index in range {
            let child = &mut self.children[index];
            if child.running.is_some() || child.done {
                continue;
            }
            child.generation += 1;
            child.deaf = None;
            if let Some(health) = &child.spec.health {
                health.restarted();
            }
            let start = child.spec.start.clone();
            match start(myself.get_cell()).await {
                Ok(cell) => {
                    self.children[index].running = Some((cell.clone(), Instant::now()));
                    self.board.update(index, |slot| {
                        slot.cell = Some(cell);
                        slot.state = NodeState::Running;
                        slot.started = Some(Instant::now());
                    });
                    self.emit(index, EventKind::Started);
                }
                Err(error) => {
                    let reason = start_failure(error);
                    self.emit(index, EventKind::Exited(reason.clone()));
                    self.board.update(index, |slot| slot.last_error = Some(reason.clone()));
                    return Err((index, reason));
                }
            }
        }
        Ok(())
    }

    /// Starts every child afresh. A half-open branch that cannot is tried again later.
    pub(super) async fn start_all(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
        for child in &mut self.children {
            child.done = false;
        }
        let Err((index, reason)) = self.start(myself, 0..self.children.len()).await else {
            return Ok(());
        };
        self.stop(0..self.children.len()).await;
        match self.spec.on_exceeded {
            OnExceeded::Escalate => {
                let (path, id) = (&self.spec.path, &self.children[index].spec.id);
                Err(format!("failed to start {path}/{id}: {reason}").into())
            }
            OnExceeded::HalfOpen(pause) => {
                self.trip(myself, pause);
                Ok(())
            }
        }
    }

    /// Stops the children of `range` in reverse order (V2).
    pub(super) async fn stop(&mut self, range: Range<usize>) {
        for index in range.rev() {
            self.children[index].generation += 1;
            if let Some((cell, _)) = self.children[index].running.take() {
                stop(&cell, self.children[index].spec.shutdown).await;
                self.emit(index, EventKind::Stopped);
            }
            self.board.update(index, |slot| {
                slot.state = NodeState::Stopped;
                slot.started = None;
                slot.cell = None;
            });
        }
    }

    /// Stops one child for as long as a person wishes, or starts it again.
    pub(super) async fn hold(
        &mut self,
        myself: &Myself,
        index: usize,
        is_held: bool,
    ) -> Result<(), ActorProcessingErr> {
        let Some(child) = self.children.get_mut(index) else { return Ok(()) };
        child.done = is_held;
        if is_held {
            self.stop(index..index + 1).await;
            return Ok(());
        }
        if self.tripped {
            return Ok(());
        }
        match self.start(myself, index..index + 1).await {
            Ok(()) => Ok(()),
            Err((failed, reason)) => self.react(myself, failed, Exit::Failed(reason)).await,
        }
    }

    /// Leaves the stopped branch alone until the pause is over.
    pub(super) fn trip(&mut self, myself: &Myself, pause: Duration) {
        self.tripped = true;
        for index in 0..self.children.len() {
            self.board.update(index, |slot| slot.state = NodeState::Tripped);
        }
        self.spec.events.emit(&self.spec.path, "", EventKind::Tripped(pause));
        myself.send_after(pause, || SupervisorMessage::Retry);
    }

    pub(super) async fn retry(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
        if !std::mem::take(&mut self.tripped) {
            return Ok(());
        }
        self.intensity.spend(self.origin.elapsed());
        self.start_all(myself).await
    }
}

fn slot_of(spec: &ChildSpec) -> Slot {
    Slot::new(spec.id.clone(), spec.health.clone(), spec.board.clone())
}

impl Child {
    fn new(spec: ChildSpec) -> Self {
        Self { spec, running: None, attempt: 0, generation: 0, done: false, deaf: None }
    }
}
