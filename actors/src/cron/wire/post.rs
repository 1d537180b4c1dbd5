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
pub(in crate::cron) fn of_alert(job: &Job, run: &Run, text: &str) -> String {
    let id = run.run.name(&run.job);
    let value: Value = json!({
        "id": format!("{id}:alert"),
        "event": "cron.failureAlert",
        "jobId": job.id.as_str(),
        "jobName": job.spec.name,
        "runId": id,
        "scheduledAtMs": run.run.at.0,
        "scheduledAt": words::moment(run.run.at),
        "consecutiveErrors": job.state.errors,
        "text": text,
    });
    value.to_string()
}
