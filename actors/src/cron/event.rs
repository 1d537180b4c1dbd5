//! What happens to jobs, for those who watch. A slow reader misses events; the store does not.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::job::{Job, Run};
use super::wire::{job_value, run_value, run_without_secrets, without_secrets};

/// Events kept for a slow reader.
const EVENTS_KEPT_MAX: usize = 4096;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// There is a new job.
    Added,
    /// It was changed.
    Updated,
    /// It is gone.
    Removed,
    /// A run of it begins.
    Started,
    /// A run of it has ended.
    Finished,
}

impl Action {
    /// On the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::Started => "started",
            Self::Finished => "finished",
        }
    }
}

/// One event.
#[derive(Debug, Clone)]
pub struct CronEvent {
    /// What happened.
    pub action: Action,
    /// The job, as it is now (or was last).
    pub job: Arc<Job>,
    /// The run, where there is one.
    pub run: Option<Arc<Run>>,
}

impl CronEvent {
    /// As the gateway tells everybody who may read.
    pub fn to_value(&self, default_agent: &str) -> Value {
        let ended = self.run.as_ref().and_then(|run| Some((run, run.end.as_ref()?)));
        let ended = ended.map(|(run, end)| run_without_secrets(run_value(run, end), &self.job));
        let mut value = ended.unwrap_or_else(|| json!({}));
        value["jobId"] = json!(self.job.id.as_str());
        value["action"] = json!(self.action.name());
        value["job"] = without_secrets(job_value(&self.job, default_agent));
        if let Some(next) = self.job.state.next.filter(|_| self.job.spec.enabled) {
            value["nextRunAtMs"] = json!(next.0);
        }
        if let (Action::Started, Some(run)) = (self.action, &self.run) {
            value["runId"] = json!(run.run.name(&run.job));
            value["runAtMs"] = json!(run.claimed_at.0);
        }
        value
    }
}

/// Where events come together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CronEvents(Arc<broadcast::Sender<CronEvent>>);

impl CronEvents {
    /// Without readers.
    pub fn new() -> Self {
        Self(Arc::new(broadcast::channel(EVENTS_KEPT_MAX).0))
    }

    /// Reads from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<CronEvent> {
        self.0.subscribe()
    }

    pub(super) fn tell(&self, action: Action, job: &Job, run: Option<&Run>) {
        if self.0.receiver_count() > 0 {
            let run = run.map(|run| Arc::new(run.clone()));
            // The last reader may just have left.
            drop(self.0.send(CronEvent { action, job: Arc::new(job.clone()), run }));
        }
    }
}

impl Default for CronEvents {
    fn default() -> Self {
        Self::new()
    }
}
