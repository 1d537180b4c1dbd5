//! A supervisor of listed children: started in order, stopped in reverse, restarted by strategy.
//!
//! Sent to by itself (timers) only; its input is ractor's supervision events.
//! The decisions are in [`decide`] and [`Strategy::affected`]; this file performs them.
//! Restart: starts all children afresh. Invariants: V1, V2.

use std::ops::Range;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::Instant;

use crate::board::{Board, NodeKind, NodeState, Slot};
use crate::child_spec::start_failure;
use crate::event::EventKind;
use crate::shutdown::kill_all;
use crate::{
    Backoff, ChildSpec, Decision, Dice, Events, Exit, RestartIntensity, RestartPolicy, Shutdown,
    Strategy, decide, stop,
};

/// A child that has run this long starts its back-off anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// How often children with a silence limit are looked at, as a part of the shortest limit.
const SILENCE_CHECKS_PER_LIMIT: u32 = 4;
/// Time for what a killed predecessor left behind to end.
const LEFT_BEHIND_MAX: Duration = Duration::from_secs(1);

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

pub(crate) struct Supervisor;

/// What a supervisor tells itself.
pub(crate) enum SupervisorMessage {
    /// A restart pause is over, if nothing else has happened to the child since.
    Due { index: usize, generation: u64 },
    /// Stop a child and keep it stopped, or start it again (from a person).
    Hold { index: usize, is_held: bool },
    /// The half-open pause is over.
    Retry,
    /// Look for deaf children.
    CheckSilence,
}

struct Child {
    spec: ChildSpec,
    running: Option<(ActorCell, Instant)>,
    /// Restarts in a row, for the back-off.
    attempt: u32,
    /// Grows with every change, so that a stale timer finds out.
    generation: u64,
    /// It is not to be started again: its policy says so.
    done: bool,
    /// It is being killed after this long without a completed unit of work.
    deaf: Option<Duration>,
}

pub(crate) struct Branch {
    spec: SupervisorSpec,
    board: Board,
    origin: Instant,
    intensity: RestartIntensity,
    children: Vec<Child>,
    tripped: bool,
}

type Myself = ActorRef<SupervisorMessage>;

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = Branch;
    type Arguments = (SupervisorSpec, Board);

    async fn pre_start(
        &self,
        myself: Myself,
        (spec, board): Self::Arguments,
    ) -> Result<Branch, ActorProcessingErr> {
        kill_all(&board.left_behind(), LEFT_BEHIND_MAX).await;
        let mut branch = Branch::new(spec, board);
        branch.start_all(&myself).await?;
        branch.schedule_silence_check(&myself);
        Ok(branch)
    }

    async fn handle(
        &self,
        myself: Myself,
        message: SupervisorMessage,
        branch: &mut Branch,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Due { index, generation } => {
                branch.due(&myself, index, generation).await
            }
            SupervisorMessage::Hold { index, is_held } => {
                branch.hold(&myself, index, is_held).await
            }
            SupervisorMessage::Retry => branch.retry(&myself).await,
            SupervisorMessage::CheckSilence => {
                branch.kill_the_deaf();
                branch.schedule_silence_check(&myself);
                Ok(())
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself,
        event: SupervisionEvent,
        branch: &mut Branch,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, exit) = match event {
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, exit_of(reason)),
            SupervisionEvent::ActorFailed(cell, error) => (cell, Exit::Failed(error.to_string())),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        match branch.index_of(cell.get_id()) {
            Some(index) => branch.exited(&myself, index, exit).await,
            // A child this supervisor has itself replaced or stopped.
            None => Ok(()),
        }
    }

    async fn post_stop(&self, _: Myself, branch: &mut Branch) -> Result<(), ActorProcessingErr> {
        branch.stop(0..branch.children.len()).await;
        Ok(())
    }
}

/// ractor reports a kill as a termination with this reason.
fn exit_of(reason: Option<String>) -> Exit {
    if reason.as_deref() == Some("killed") { Exit::Killed } else { Exit::Normal }
}

impl Branch {
    fn new(spec: SupervisorSpec, board: Board) -> Self {
        // A restarted supervisor keeps the counters of its children.
        if !board.has_slots() {
            board.reset(spec.children.iter().map(slot_of).collect());
        }
        let children = spec.children.iter().cloned().map(Child::new).collect();
        let intensity = RestartIntensity::new(spec.restarts_max, spec.window);
        Self { spec, board, origin: Instant::now(), intensity, children, tripped: false }
    }

    fn index_of(&self, id: ActorId) -> Option<usize> {
        self.children
            .iter()
            .position(|child| child.running.as_ref().is_some_and(|(cell, _)| cell.get_id() == id))
    }

    fn emit(&self, index: usize, kind: EventKind) {
        self.spec.events.emit(&self.spec.path, &self.children[index].spec.id, kind);
    }

    /// Starts the stopped children of `range` in order; stops at the first that fails.
    async fn start(&mut self, myself: &Myself, range: Range<usize>) -> Result<(), (usize, String)> {
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
    async fn start_all(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
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
    async fn stop(&mut self, range: Range<usize>) {
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

    async fn exited(
        &mut self,
        myself: &Myself,
        index: usize,
        exit: Exit,
    ) -> Result<(), ActorProcessingErr> {
        let child = &mut self.children[index];
        if let Some((_, started)) = child.running.take()
            && started.elapsed() >= HEALTHY_AFTER
        {
            child.attempt = 0;
        }
        let exit = match child.deaf.take() {
            Some(idle) if exit == Exit::Killed => Exit::Failed(deaf_text(idle)),
            _ => exit,
        };
        self.emit(index, EventKind::Exited(exit.to_string()));
        self.react(myself, index, exit).await
    }

    /// Decides about an exit and performs the decision.
    async fn react(
        &mut self,
        myself: &Myself,
        index: usize,
        exit: Exit,
    ) -> Result<(), ActorProcessingErr> {
        if exit.is_abnormal() {
            self.board.update(index, |slot| slot.last_error = Some(exit.to_string()));
        }
        let child = &self.children[index];
        let decision = decide(
            &exit,
            child.spec.restart,
            &mut self.intensity,
            &self.spec.backoff,
            child.attempt,
            self.origin.elapsed(),
            self.spec.dice.roll(),
        );
        match decision {
            Decision::Forget => {
                self.children[index].done = true;
                self.board.update(index, |slot| slot.state = NodeState::Stopped);
                Ok(())
            }
            Decision::Restart(pause) => {
                self.schedule_restart(myself, index, pause).await;
                Ok(())
            }
            Decision::GiveUp => self.give_up(myself, &exit).await,
        }
    }

    async fn schedule_restart(&mut self, myself: &Myself, index: usize, pause: Duration) {
        let affected = self.spec.strategy.affected(index, self.children.len());
        self.stop(affected.clone()).await;
        for sibling in affected {
            let child = &mut self.children[sibling];
            child.done |= child.spec.restart == RestartPolicy::Temporary;
            if !child.done {
                self.board.update(sibling, |slot| slot.state = NodeState::Restarting);
            }
        }
        self.board.update(index, |slot| slot.restarts += 1);
        self.emit(index, EventKind::Restarting(pause));
        let child = &mut self.children[index];
        child.attempt = child.attempt.saturating_add(1);
        child.generation += 1;
        let generation = child.generation;
        myself.send_after(pause, move || SupervisorMessage::Due { index, generation });
    }

    async fn due(
        &mut self,
        myself: &Myself,
        index: usize,
        generation: u64,
    ) -> Result<(), ActorProcessingErr> {
        if self.children[index].generation != generation {
            return Ok(());
        }
        let affected = self.spec.strategy.affected(index, self.children.len());
        match self.start(myself, affected).await {
            Ok(()) => Ok(()),
            Err((failed, reason)) => {
                Box::pin(self.react(myself, failed, Exit::Failed(reason))).await
            }
        }
    }

    /// Stops one child for as long as a person wishes, or starts it again.
    async fn hold(
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

    /// The budget is spent (V1).
    async fn give_up(&mut self, myself: &Myself, exit: &Exit) -> Result<(), ActorProcessingErr> {
        self.stop(0..self.children.len()).await;
        match self.spec.on_exceeded {
            OnExceeded::Escalate => {
                self.spec.events.emit(&self.spec.path, "", EventKind::Escalated);
                Err(format!("{}: restart budget spent, last: {exit}", self.spec.path).into())
            }
            OnExceeded::HalfOpen(pause) => {
                self.trip(myself, pause);
                Ok(())
            }
        }
    }

    /// Leaves the stopped branch alone until the pause is over.
    fn trip(&mut self, myself: &Myself, pause: Duration) {
        self.tripped = true;
        for index in 0..self.children.len() {
            self.board.update(index, |slot| slot.state = NodeState::Tripped);
        }
        self.spec.events.emit(&self.spec.path, "", EventKind::Tripped(pause));
        myself.send_after(pause, || SupervisorMessage::Retry);
    }

    async fn retry(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
        if !std::mem::take(&mut self.tripped) {
            return Ok(());
        }
        self.intensity.spend(self.origin.elapsed());
        self.start_all(myself).await
    }

    /// Kills children that completed nothing for too long; their end then counts as any failure.
    fn kill_the_deaf(&mut self) {
        for child in &mut self.children {
            let (Some(limit), Some((cell, started))) = (child.spec.silence_max, &child.running)
            else {
                continue;
            };
            let since_start = started.elapsed();
            let idle = child
                .spec
                .health
                .as_ref()
                .and_then(crate::Health::idle)
                .map_or(since_start, |idle| idle.min(since_start));
            if idle > limit && child.deaf.is_none() {
                child.deaf = Some(idle);
                self.spec.events.emit(&self.spec.path, &child.spec.id, EventKind::Deaf(idle));
                cell.kill();
            }
        }
    }

    fn schedule_silence_check(&self, myself: &Myself) {
        let shortest = self.children.iter().filter_map(|child| child.spec.silence_max).min();
        if let Some(limit) = shortest {
            let pause = (limit / SILENCE_CHECKS_PER_LIMIT).max(Duration::from_millis(1));
            myself.send_after(pause, || SupervisorMessage::CheckSilence);
        }
    }
}

fn deaf_text(idle: Duration) -> String {
    format!("deaf: completed nothing for {} ms", idle.as_millis())
}

fn slot_of(spec: &ChildSpec) -> Slot {
    Slot::new(spec.id.clone(), spec.health.clone(), spec.board.clone())
}

impl Child {
    fn new(spec: ChildSpec) -> Self {
        Self { spec, running: None, attempt: 0, generation: 0, done: false, deaf: None }
    }
}
