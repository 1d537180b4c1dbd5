//! Jobs and their runs as JSON.

use serde_json::{Map, Value, json};

use super::super::fate::Fate;
use super::super::job::{
    Alerts, Delivered, Delivery, Job, JobState, Payload, Place, Run, RunEnd, Spec, Status, WakeMode,
};
use super::super::schedule::Schedule;
use super::super::words;
use crate::channel::webhook;

/// What a job may ask for and does not get, of all that is kept.
const WITHOUT_EFFECT: [&str; 7] = [
    "pacing",
    "notify",
    "payload.thinking",
    "payload.lightContext",
    "payload.fallbacks",
    "delivery.completionDestination",
    "delivery.failureDestination",
];

/// What a job is.
pub fn spec_value(spec: &Spec) -> Value {
    let mut value = json!({
        "name": spec.name,
        "enabled": spec.enabled,
        "schedule": schedule(&spec.schedule),
        "sessionTarget": match (&spec.target, &spec.payload) {
            (Some(session), _) => format!("session:{session}"),
            (None, Payload::SystemEvent { .. }) => "main".to_owned(),
            (None, Payload::AgentTurn { .. } | Payload::Command(_)) => "isolated".to_owned(),
        },
        "wakeMode": match spec.wake {
            WakeMode::Now => "now",
            WakeMode::NextHeartbeat => "next-heartbeat",
        },
        "payload": payload(&spec.payload),
    });
    let mut set = |key: &str, part: Option<Value>| {
        if let Some(part) = part {
            value[key] = part;
        }
    };
    set("description", spec.description.clone().map(Value::from));
    set("deleteAfterRun", spec.schedule.is_once().then_some(json!(spec.delete_after_run)));
    set("agentId", spec.agent.clone().map(Value::from));
    set("delivery", spec.delivery.as_ref().map(delivery));
    set("failureAlert", alerts(&spec.alerts));
    for (key, text) in &spec.kept {
        let kept = serde_json::from_str(text).unwrap_or_default();
        match key.split_once('.') {
            Some((part, key)) => value[part][key] = kept,
            None => value[key.as_str()] = kept,
        }
    }
    value
}

/// A job with everything that is known about it.
pub fn job_value(job: &Job, default_agent: &str) -> Value {
    let mut value = spec_value(&job.spec);
    value["id"] = json!(job.id.as_str());
    value["createdAtMs"] = json!(job.created_at.0);
    value["updatedAtMs"] = json!(job.updated_at.0);
    value["state"] = state(&job.state);
    value["effectiveAgentId"] = json!(job.spec.agent.as_deref().unwrap_or(default_agent));
    value["scheduleWords"] = json!(words::in_words(&job.spec.schedule));
    if job.declared.is_some() {
        value["declared"] = json!(true);
    }
    let not_applied = not_applied(&job.spec);
    if !not_applied.is_empty() {
        value["notApplied"] = json!(not_applied);
    }
    let next = job.state.next.filter(|_| job.spec.enabled);
    if let Some(next) = next {
        value["nextRunAtMs"] = json!(next.0);
    }
    if let Some(last) = &job.state.last {
        value["lastRunAtMs"] = json!(last.at.0);
        value["lastRunStatus"] = json!(last.status.name());
    }
    value
}

/// What a job asks for beyond what is done.
fn not_applied(spec: &Spec) -> Vec<&str> {
    spec.kept.keys().map(String::as_str).filter(|key| WITHOUT_EFFECT.contains(key)).collect()
}

/// A run, as the history shows it; nothing of a run that is under way.
pub fn run_value(run: &Run, end: &RunEnd) -> Value {
    let mut value = json!({
        "ts": end.at.0,
        "jobId": run.job.as_str(),
        "jobName": run.job_name,
        "action": "finished",
        "status": end.status.name(),
        "completionStatus": completion(end),
        "runId": run.run.name(&run.job),
        "runAtMs": run.claimed_at.0,
        "scheduledAtMs": run.run.at.0,
        "durationMs": end.at.since(run.claimed_at).as_millis(),
        "deliveryStatus": delivery_status(&end.delivery),
        // That it was written to the outbox is no delivery: see [`tell_run_fate`].
        "delivered": false,
    });
    let mut set = |key: &str, part: Option<Value>| {
        if let Some(part) = part {
            value[key] = part;
        }
    };
    set("error", end.error.clone().map(Value::from));
    set("summary", (!end.summary.is_empty()).then(|| json!(end.summary)));
    set("nextRunAtMs", end.next.map(|next| json!(next.0)));
    set("sessionKey", run.session.as_ref().map(|key| json!(key.as_str())));
    if let Some((provider, model)) = end.model.split_once('/') {
        set("provider", Some(json!(provider)));
        set("model", Some(json!(model)));
        let (input, output) = end.tokens;
        let usage = json!({
            "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
        });
        set("usage", Some(usage));
    }
    match &end.delivery {
        Delivered::Left(why) | Delivered::Nowhere(why) => set("deliveryError", Some(json!(why))),
        Delivered::Written { to, entries } => {
            set("deliveredTo", Some(json!({"to": to.to_string(), "entries": entries})));
        }
        Delivered::NotRequested => {}
    }
    value
}

/// Says in a run's value what has become of its announcement by now.
pub fn tell_run_fate(run: &mut Value, fate: &Fate) {
    let (status, why) = told(fate);
    run["deliveryStatus"] = json!(status);
    run["delivered"] = json!(*fate == Fate::Delivered);
    if let Some(why) = why {
        run["deliveryError"] = json!(why);
    }
    if matches!(fate, Fate::Refused(_)) && run["completionStatus"] == "succeeded" {
        run["completionStatus"] = json!("failed");
    }
}

/// The same in a job's value, of its last run.
pub fn tell_job_fate(job: &mut Value, fate: &Fate) {
    let (status, why) = told(fate);
    let state = &mut job["state"];
    state["lastDeliveryStatus"] = json!(status);
    state["lastDelivered"] = json!(*fate == Fate::Delivered);
    if let Some(why) = why {
        state["lastDeliveryError"] = json!(why);
    }
}

fn told(fate: &Fate) -> (&'static str, Option<&str>) {
    match fate {
        Fate::Delivered => ("delivered", None),
        Fate::Waits => ("unknown", Some("it waits in the outbox to be sent")),
        Fate::Unknown(why) => ("unknown", Some(why)),
        Fate::Refused(why) => ("not-delivered", Some(why)),
    }
}

fn completion(end: &RunEnd) -> &'static str {
    match (end.status, &end.delivery) {
        (Status::Ok, Delivered::Nowhere(_)) | (Status::Error, _) => "failed",
        (Status::Ok, _) => "succeeded",
        (Status::Skipped | Status::Unknown, _) => "unknown",
    }
}

fn delivery_status(delivered: &Delivered) -> &'static str {
    match delivered {
        Delivered::NotRequested => "not-requested",
        Delivered::Written { .. } => "unknown",
        Delivered::Left(_) | Delivered::Nowhere(_) => "not-delivered",
    }
}

fn schedule(schedule: &Schedule) -> Value {
    match schedule {
        Schedule::At(at) => json!({"kind": "at", "at": words::moment(*at)}),
        Schedule::Every { every_ms, anchor } => {
            json!({"kind": "every", "everyMs": every_ms, "anchorMs": anchor.0})
        }
        Schedule::Cron { expr, zone, stagger_ms } => {
            let mut value = json!({"kind": "cron", "expr": expr});
            if let Some(zone) = zone {
                value["tz"] = json!(zone);
            }
            if let Some(stagger_ms) = stagger_ms {
                value["staggerMs"] = json!(stagger_ms);
            }
            value
        }
    }
}

fn payload(payload: &Payload) -> Value {
    match payload {
        Payload::SystemEvent { text } => json!({"kind": "systemEvent", "text": text}),
        Payload::AgentTurn { message, model, timeout_seconds } => {
            let mut value = json!({"kind": "agentTurn", "message": message, "toolsAllow": ["*"]});
            if let Some(model) = model {
                value["model"] = json!(model);
            }
            if let Some(seconds) = timeout_seconds {
                value["timeoutSeconds"] = json!(seconds);
            }
            value
        }
        Payload::Command(line) => super::command::value(line),
    }
}

fn delivery(delivery: &Delivery) -> Value {
    let mut value = place(&delivery.to);
    let mode = if delivery.announce { "announce" } else { "none" };
    value.entry("mode").or_insert(json!(mode));
    if delivery.announce && value["mode"] == "announce" {
        value.entry("channel").or_insert(json!("last"));
    }
    if delivery.best_effort {
        value.insert("bestEffort".into(), json!(true));
    }
    Value::Object(value)
}

fn alerts(alerts: &Alerts) -> Option<Value> {
    match alerts {
        Alerts::Shared => None,
        Alerts::Off => Some(json!(false)),
        Alerts::Own(rule) => {
            let mut value = rule.to.as_ref().map(place).unwrap_or_default();
            value.insert("after".into(), json!(rule.after));
            value.insert("cooldownMs".into(), json!(rule.cooldown_ms));
            if rule.include_skipped {
                value.insert("includeSkipped".into(), json!(true));
            }
            Some(Value::Object(value))
        }
    }
}

fn place(place: &Place) -> Map<String, Value> {
    if let (Some(webhook::CHANNEL), Some(url)) = (place.channel.as_deref(), &place.to) {
        return [("mode", "webhook"), ("to", url)]
            .map(|(key, part)| (key.to_owned(), json!(part)))
            .into_iter()
            .collect();
    }
    let parts = [
        ("channel", &place.channel),
        ("to", &place.to),
        ("accountId", &place.account),
        ("threadId", &place.thread),
    ];
    let named = parts.into_iter().filter_map(|(key, part)| Some((key, part.as_ref()?)));
    named.map(|(key, part)| (key.to_owned(), json!(part))).collect()
}

fn state(state: &JobState) -> Value {
    let mut value = json!({"consecutiveErrors": state.errors, "consecutiveSkipped": state.skips});
    let mut set = |key: &str, part: Option<Value>| {
        if let Some(part) = part {
            value[key] = part;
        }
    };
    set("nextRunAtMs", state.next.map(|at| json!(at.0)));
    set("runningAtMs", state.running_since.map(|at| json!(at.0)));
    set("disabledReason", state.disabled_because.clone().map(Value::from));
    set("lastFailureAlertAtMs", state.alerted_at.map(|at| json!(at.0)));
    if let Some(last) = &state.last {
        set("lastRunAtMs", Some(json!(last.at.0)));
        set("lastRunStatus", Some(json!(last.status.name())));
        set("lastStatus", Some(json!(last.status.name())));
        set("lastDurationMs", Some(json!(last.duration_ms)));
        set("lastError", last.error.clone().map(Value::from));
        set("lastDelivered", Some(json!(false)));
        set("lastDeliveryStatus", Some(json!(delivery_status(&last.delivery))));
    }
    value
}
