//! What follows the end of a child: [`decide`] and the strategy decide, this performs.

use std::time::Duration;

use ractor::ActorProcessingErr;

use super::branch::Branch;
use super::{Myself, OnExceeded, SupervisorMessage, deafness};
use crate::board::NodeState;
use crate::event::EventKind;
use crate::exit::HEALTHY_AFTER;
use crate::{Decision, Exit, RestartPolicy, decide};

impl Branch {
    pub(super) async fn exited(
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
            Some(idle) if exit == Exit::Killed => Exit::Failed(deafness::reason(idle)),
            _ => exit,
        };
        self.emit(index, EventKind::Exited(exit.to_string()));
        self.react(myself, index, exit).await
    }

    /// Decides about an exit and performs the decision.
    pub(super) async fn react(
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

    pub(super) async fn due(
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
}
