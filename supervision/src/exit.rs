//! The end of an actor as its supervisor hears of it.

use std::time::Duration;

use ractor::{ActorId, SupervisionEvent};

use crate::Exit;

/// A child that has run this long starts its back-off anew.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// Time for what a killed predecessor left behind to end.
pub(crate) const LEFT_BEHIND_MAX: Duration = Duration::from_secs(1);

/// Who has ended, and how. The state of the dead is dropped here: what it holds must be free before
/// its next life begins.
pub(crate) fn ended(event: SupervisionEvent) -> Option<(ActorId, Exit)> {
    match event {
        // ractor reports a kill as a termination with this reason.
        SupervisionEvent::ActorTerminated(cell, _, Some(reason)) if reason == "killed" => {
            Some((cell.get_id(), Exit::Killed))
        }
        SupervisionEvent::ActorTerminated(cell, _, _) => Some((cell.get_id(), Exit::Normal)),
        SupervisionEvent::ActorFailed(cell, error) => {
            Some((cell.get_id(), Exit::Failed(error.to_string())))
        }
        SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => None,
    }
}
