//! Ending an engine: stop admitting, let what is under way finish, stop the tree.

use std::time::Duration;

use telson_actors::crash_point::crash_point;
use telson_actors::hook::{HookEvent, Moment};
use telson_actors::store::Batch;
use telson_supervision::StopOutcome;
use tokio::time::Instant;

use super::Engine;

/// Pause between looks at what is left. Draining is a matter of seconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Replies that nothing is done about for this long wait for something a stop can't wait for:
/// permission, evidence about a doubtful send, a back-off. An attempt that runs is never one of
/// them, however slow the platform is.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// How long a stop waits for the hooks of `gateway_stop`, and with them for others still running.
const HOOKS_STOP_MAX: Duration = Duration::from_secs(5);

/// Longest wait for the note that this life ended in order.
const END_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// Admits nothing more from its own watchers, begins no jobs, and waits until everything admitted
    /// is answered, everything answered is out, and no job's command and no call of a tool or a node
    /// runs; but not longer than `deadline`, and not for replies that make no progress. Answers
    /// whether nothing is left; messages and replies that are left are durable and go on after the
    /// next start.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.0.suspension.intake().end();
        self.0.commands.close();
        crash_point("drain.begun");
        let end = Instant::now() + deadline;
        // What was submitted a moment ago counts only when it is durable; this stands behind it. A
        // store that has failed is told by other means.
        drop(tokio::time::timeout(deadline, self.0.store.commit(Batch::new())).await);
        let (mut last, mut since) = (self.load(), Instant::now());
        loop {
            let load = self.load();
            if load.is_idle() {
                return true;
            }
            if load != last || self.0.outbox.is_moving() {
                (last, since) = (load, Instant::now());
            }
            let now = Instant::now();
            let only_stuck = !load.is_working() && now.duration_since(since) >= STUCK_AFTER;
            if now >= end || only_stuck {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops every actor in reverse start order within `deadline`. Dropping the last handle then
    /// closes the store.
    pub async fn shutdown(&self, deadline: Duration) -> StopOutcome {
        self.0.suspension.intake().end();
        self.0.commands.close();
        crash_point("stop.before_tree");
        self.0.hooks.tell(Moment::GatewayStop, || HookEvent::GatewayStop);
        if self.0.hooks.want(Moment::GatewayStop) {
            self.0.hooks.settled(deadline.min(HOOKS_STOP_MAX)).await;
        }
        let outcome = self.0.tree.shutdown(deadline).await;
        if let Ok(Err(error)) = tokio::time::timeout(END_MAX, self.0.store.end()).await {
            tracing::debug!(%error, "the end could not be noted");
        }
        self.0.streams.close();
        crash_point("stop.after_tree");
        outcome
    }
}
