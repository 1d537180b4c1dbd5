//! Stopping actors within their time: drain, then stop, then kill.

use std::time::Duration;

use ractor::ActorCell;

use crate::Shutdown;

/// Least time for a kill to take effect, which happens at the actor's next await point.
/// A blocking handler delays it, so nobody waits for ever.
const KILL_MIN: Duration = Duration::from_millis(100);

/// How an actor was brought to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopOutcome {
    /// It finished its queue.
    Drained,
    /// It stopped, leaving its queue.
    Stopped,
    /// It had to be killed.
    Killed,
}

/// Stops `actor` and returns once it has ended (or was killed).
pub async fn stop(actor: &ActorCell, shutdown: Shutdown) -> StopOutcome {
    stop_all(std::slice::from_ref(actor), shutdown).await
}

/// Stops `actors` side by side, all within the time of one. The outcome is that of the slowest.
pub(crate) async fn stop_all(actors: &[ActorCell], shutdown: Shutdown) -> StopOutcome {
    if !shutdown.drain.is_zero() {
        for actor in actors {
            // An actor that is gone already needs no draining.
            drop(actor.drain());
        }
        if ended(actors, shutdown.drain).await {
            return StopOutcome::Drained;
        }
    }
    for actor in actors {
        actor.stop(None);
    }
    if ended(actors, shutdown.stop).await {
        return StopOutcome::Stopped;
    }
    kill_all(actors, shutdown.stop.max(KILL_MIN)).await;
    StopOutcome::Killed
}

/// Kills `actors` and all actors below them. ractor takes the children of a killed actor along,
/// except those that are draining: they would live on without a parent.
pub(crate) async fn kill_all(actors: &[ActorCell], time: Duration) {
    let mut doomed = actors.to_vec();
    let mut next = 0;
    while let Some(actor) = doomed.get(next) {
        let children = children_of(actor);
        doomed.extend(children);
        next += 1;
    }
    for actor in &doomed {
        actor.kill();
    }
    ended(&doomed, time).await;
}

/// The children of an actor in the order of their birth; ractor itself keeps no order.
pub(crate) fn children_of(actor: &ActorCell) -> Vec<ActorCell> {
    let mut children = actor.get_children();
    children.sort_by_key(ActorCell::get_id);
    children
}

/// Waits for the end of all, but not longer than `time`; `true` if all have ended.
async fn ended(actors: &[ActorCell], time: Duration) -> bool {
    let all = async {
        for actor in actors {
            drop(actor.wait(None).await);
        }
    };
    tokio::time::timeout(time, all).await.is_ok()
}
