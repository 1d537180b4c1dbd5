//! A supervisor of listed children: started in order, stopped in reverse, restarted by strategy.
//!
//! Sent to by itself (timers) and by [`Tree`](crate::Tree); its input is ractor's supervision events.
//! The decisions are in [`decide`](crate::decide) and [`Strategy::affected`](crate::Strategy::affected);
//! `branch` starts and stops, `reaction` follows the end of a child, `deafness` finds the deaf.
//! Restart: starts all children afresh. Invariants: V1, V2.

mod branch;
mod deafness;
mod reaction;
mod spec;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use self::branch::Branch;
pub use self::spec::{OnExceeded, SupervisorSpec};
use crate::board::Board;
use crate::exit::{LEFT_BEHIND_MAX, ended};
use crate::shutdown::kill_all;

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
        let Some((id, exit)) = ended(event) else { return Ok(()) };
        match branch.index_of(id) {
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
