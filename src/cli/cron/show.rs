//! Jobs and runs as people read them.

use jiff::tz::TimeZone;
use serde_json::Value;
use telson_actors::clock::Timestamp;
use telson_actors::cron::schedule::Schedule;

use super::super::output::{Output, Tone, table};
use super::super::time::duration;
use super::next::in_zone;
use super::text;

/// All jobs, a block each.
pub(super) fn list(output: Output, answer: &Value) -> String {
    let jobs = answer["jobs"].as_array().cloned().unwrap_or_default();
    if jobs.is_empty() {
        return "no jobs; `telson cron add` makes one\n".into();
    }
    let mut said = String::new();
    for job in &jobs {
        let name = output.paint(Tone::Bold, text(job, "name"));
        said.push_str(&format!("{name}  {}\n{}", text(job, "id"), one(job)));
    }
    said
}

/// What one job does and when.
pub(super) fn one(job: &Value) -> String {
    let mut said = format!("  {}{}\n", text(job, "scheduleWords"), exact(job));
    said.push_str(&what(job));
    let zone = zone(job);
    let next = job["nextRunsAtMs"].as_array().into_iter().flatten().filter_map(Value::as_i64);
    let next: Vec<String> = next.map(|at| in_zone(Timestamp(at), &zone)).collect();
    match (next.is_empty(), job["enabled"].as_bool()) {
        (false, _) => said.push_str(&format!("  next: {}\n", next.join("\n        "))),
        (true, Some(false)) => said.push_str("  switched off\n"),
        (true, _) => said.push_str("  runs no more\n"),
    }
    let state = &job["state"];
    if let Some(why) = state["disabledReason"].as_str() {
        said.push_str(&format!("  switched off after {why}\n"));
    }
    if let Some(status) = state["lastRunStatus"].as_str() {
        let at = state["lastRunAtMs"].as_i64().unwrap_or(0);
        said.push_str(&format!("  last: {} {status}", in_zone(Timestamp(at), &zone)));
        if let Some(error) = state["lastError"].as_str() {
            said.push_str(&format!(" ({error})"));
        }
        said.push('\n');
    }
    if state["runningAtMs"].is_i64() {
        said.push_str("  is running\n");
    }
    said
}

/// How to be rid of what nobody has asked for.
fn exact(job: &Value) -> &'static str {
    let schedule = &job["schedule"];
    let schedule = Schedule::Cron {
        expr: schedule["expr"].as_str().unwrap_or_default().to_owned(),
        zone: None,
        stagger_ms: schedule["staggerMs"].as_u64(),
    };
    match (schedule.spread_over(), &job["schedule"]["staggerMs"]) {
        (Some(_), Value::Null) => "; --exact for the minute itself",
        _ => "",
    }
}

/// What a job does besides asking its agent in a session of its own.
fn what(job: &Value) -> String {
    let mut said = String::new();
    if let Some(argv) = job["payload"]["argv"].as_array() {
        let parts: Vec<String> = argv.iter().map(Value::to_string).collect();
        said.push_str(&format!("  runs: {}\n", parts.join(" ")));
    }
    if let Some(session) = job["sessionTarget"].as_str().and_then(|at| at.strip_prefix("session:"))
    {
        said.push_str(&format!("  in the session {session}\n"));
    }
    if job["delivery"]["mode"] == "webhook" {
        said.push_str(&format!("  posts to {}\n", text(&job["delivery"], "to")));
    }
    said
}

/// The runs of a job.
pub(super) fn runs(output: Output, answer: &Value) -> String {
    let mut rows =
        vec![["RAN", "STATUS", "TOOK", "DELIVERY", "ANSWER"].map(str::to_owned).to_vec()];
    for run in answer["entries"].as_array().into_iter().flatten() {
        let at = Timestamp(run["runAtMs"].as_i64().unwrap_or(0));
        let said = run["error"].as_str().or(run["summary"].as_str()).unwrap_or_default();
        rows.push(vec![
            in_zone(at, &TimeZone::system()),
            status(run).to_owned(),
            duration(run["durationMs"].as_u64().unwrap_or(0)),
            text(run, "deliveryStatus").to_owned(),
            telson_actors::event::excerpt(said),
        ]);
    }
    if rows.len() == 1 {
        return "it has not run yet\n".into();
    }
    table(output, &rows)
}

/// What became of a wish to run a job now.
pub(super) fn begun(id: &str, answer: &Value) -> String {
    if let Some(reason) = answer["reason"].as_str() {
        return format!("not run: {reason}");
    }
    let state = if answer["waits"] == true { "queued behind other runs" } else { "begun" };
    format!("{state}: {}\nnext: `telson cron runs {id}`", text(answer, "runId"))
}

/// What became of another gateway's jobs.
pub(super) fn imported(answer: &Value) -> String {
    let count = |key: &str| answer[key].as_array().map_or(0, Vec::len);
    let mut said = format!("{} imported, {} here already\n", count("imported"), count("known"));
    for job in answer["refused"].as_array().into_iter().flatten() {
        let (name, why) = (text(job, "name"), text(job, "reason"));
        said.push_str(&format!("left out: {name} ({}): {why}\n", text(job, "id")));
    }
    said
}

/// How a run ended; an error that nobody knows the extent of is more than an error.
fn status(run: &Value) -> &str {
    let is_unknown = run["status"] == "error" && run["completionStatus"] == "unknown";
    if is_unknown { "unknown" } else { text(run, "status") }
}

fn zone(job: &Value) -> TimeZone {
    let named = job["schedule"]["tz"].as_str().and_then(|name| TimeZone::get(name).ok());
    named.unwrap_or_else(TimeZone::system)
}
