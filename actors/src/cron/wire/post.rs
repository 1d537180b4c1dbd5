//! What a webhook is told of a run (pure). `id` is the event's own, however often it is posted.

use serde_json::{Value, json};

use super::super::job::{Job, Run, RunEnd};
use super::super::words;
use super::show::run_value;

/// A run that has ended; `text` is the whole answer, or what a command wrote.
pub(in crate::cron) fn of_run(run: &Run, end: &RunEnd, text: &str) -> String {
    let mut value = run_value(run, end);
    if let Some(fields) = value.as_object_mut() {
        // What becomes of the post is not known to the post.
        for unknown in ["deliveryStatus", "delivered", "deliveryError", "nextRunAtMs"] {
            fields.remove(unknown);
        }
    }
    value["id"] = json!(run.run.name(&run.job));
    value["event"] = json!("cron.finished");
    value["scheduledAt"] = json!(words::moment(run.run.at));
    value["text"] = json!(text);
    value.to_string()
}

/// Somebody has to be told something about a job.
pub(in crate::cron) fn of_alert(job: &Job, run: Option<&Run>, text: &str) -> String {
    // What is wrong with a schedule is no run's, and happens once at a moment.
    let of_schedule = || format!("schedule:{}:{}", job.id, job.state.looked_at.0);
    let id = run.map_or_else(of_schedule, |run| run.run.name(&run.job));
    let mut value: Value = json!({
        "id": format!("{id}:alert"),
        "event": "cron.failureAlert",
        "jobId": job.id.as_str(),
        "jobName": job.spec.name,
        "consecutiveErrors": job.state.errors,
        "text": text,
    });
    if let Some(run) = run {
        value["runId"] = json!(id);
        value["scheduledAtMs"] = json!(run.run.at.0);
        value["scheduledAt"] = json!(words::moment(run.run.at));
    }
    value.to_string()
}
