//! Jobs as JSON: read from configs, files and the gateway, and written back. Pure: a moment comes in.
//!
//! What is wrong is said with its place, such as `schedule.everyMs`.

mod command;
mod delivery;
mod post;
mod secret;
mod show;
mod when;

use self::delivery::{legacy_delivery, read_alerts, read_delivery};
pub(super) use self::post::{of_alert, of_run};
pub use self::secret::{config_without_secrets, run_without_secrets, without_secrets};
pub use self::show::{job_value, run_value, spec_value, tell_job_fate, tell_run_fate};
pub use self::when::{When, on_the_wall, read_duration, read_when};
use self::when::{read_schedule, relative};

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::job::{Delivery, JobId, Payload, Place, Spec, WakeMode};
use crate::clock::Timestamp;

/// Longest text of a payload, in characters.
const TEXT_CHARS_MAX: usize = 50_000;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Longest time a turn may be given: two days.
const TIMEOUT_SECONDS_MAX: u64 = 172_800;

/// Keys of a job that others write and that say nothing about what it is.
const FOREIGN: [&str; 19] = [
    "notApplied",
    "id",
    "state",
    "createdAtMs",
    "updatedAtMs",
    "configRevision",
    "nextRunAtMs",
    "lastRunAtMs",
    "lastRunStatus",
    "lastDelivered",
    "lastDeliveryStatus",
    "lastFailureNotificationDeliveryStatus",
    "effectiveAgentId",
    "deliveryPreview",
    "scheduledToolPolicy",
    "schedule_words",
    "scheduleWords",
    "isDeclared",
    "declared",
];
/// Keys of a job that are kept and have no effect.
const KEPT: [&str; 7] =
    ["declarationKey", "displayName", "pacing", "sessionKey", "owner", "tags", "notify"];
/// Keys of a delivery and of an agent's turn that are kept and have no effect.
const KEPT_OF_DELIVERY: [&str; 2] = ["completionDestination", "failureDestination"];
const KEPT_OF_TURN: [&str; 5] = [
    "thinking",
    "lightContext",
    "fallbacks",
    "allowUnsafeExternalContent",
    "externalContentSource",
];

type Read<T> = Result<T, String>;

/// The id a job's JSON names, if it names one.
///
/// # Errors
/// It is none.
pub fn read_id(value: &Value) -> Read<Option<JobId>> {
    match value.get("id").or_else(|| value.get("jobId")) {
        None | Some(Value::Null) => Ok(None),
        Some(id) => {
            let id = id.as_str().and_then(JobId::new);
            id.map(Some).ok_or_else(|| "id must be a text of 1 to 128 characters".into())
        }
    }
}

/// Whether a job may say anything under this key.
pub fn is_job_key(key: &str) -> bool {
    KEPT.contains(&key) || FOREIGN.contains(&key) || KNOWN.contains(&key)
}

/// Reads what a job is. An anchor that is not given is `now`.
///
/// # Errors
/// What is wrong, with its place.
pub fn read_spec(value: &Value, now: Timestamp) -> Read<Spec> {
    let job = object(value, "a job")?;
    let schedule = read_schedule(job.get("schedule").ok_or("schedule is missing")?, now)?;
    let payload = object(job.get("payload").ok_or("payload is missing")?, "payload")?;
    let (payload_read, mut kept) = read_payload(payload)?;
    let target = read_target(job, &payload_read)?;
    for (key, value) in job {
        if KEPT.contains(&key.as_str()) {
            kept.insert(key.clone(), value.to_string());
        } else if !FOREIGN.contains(&key.as_str()) && !KNOWN.contains(&key.as_str()) {
            return Err(format!("{key} is no key of a job"));
        }
    }
    let name = text(job, "name", "name")?.unwrap_or_default();
    let name = if name.is_empty() { first_line(&payload_read) } else { name };
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("name must have at most {NAME_CHARS_MAX} characters"));
    }
    let delivery = match job.get("delivery") {
        None | Some(Value::Null) => legacy_delivery(payload)?,
        Some(delivery) => {
            let delivery = object(delivery, "delivery")?;
            for (key, value) in delivery {
                if KEPT_OF_DELIVERY.contains(&key.as_str()) {
                    kept.insert(format!("delivery.{key}"), value.to_string());
                }
            }
            Some(read_delivery(delivery)?)
        }
    };
    // An answer that goes nowhere is rarely meant: a turn of its own announces where it is not said.
    let delivery = delivery.or_else(|| match payload_read {
        Payload::AgentTurn { .. } => {
            Some(Delivery { announce: true, to: Place::default(), best_effort: true })
        }
        // What a command writes is for its history.
        Payload::SystemEvent { .. } | Payload::Command(_) => None,
    });
    Ok(Spec {
        name,
        description: text(job, "description", "description")?,
        enabled: flag(job, "enabled", "enabled")?.unwrap_or(true),
        delete_after_run: flag(job, "deleteAfterRun", "deleteAfterRun")?
            .unwrap_or(schedule.is_once()),
        agent: text(job, "agentId", "agentId")?.filter(|agent| !agent.is_empty()),
        schedule,
        payload: payload_read,
        target,
        wake: read_wake(job.get("wakeMode"))?,
        delivery,
        alerts: read_alerts(job.get("failureAlert"))?,
        kept,
    })
}

/// Reads a job of a config. Rows without an anchor count from 1970, so that a restart does not move
/// them; and what counts from the present moment would be another one at every start.
///
/// # Errors
/// What is wrong, with its place.
pub fn read_declared(value: &Value) -> Read<Spec> {
    if let Some(at) = relative(&value["schedule"]) {
        return Err(format!(
            "schedule.at {at:?} counts from the moment in which it is said, and a config has none: \
             write a date and a time, such as 2026-03-01T08:00:00Z"
        ));
    }
    read_spec(value, Timestamp(0))
}
/// Keys of an agent's turn.
const KNOWN_OF_TURN: [&str; 6] =
    ["kind", "message", "model", "timeoutSeconds", "tools", "toolsAllow"];
/// Where a payload said where its answer goes, before there was `delivery`.
const LEGACY_DELIVERY: [&str; 7] =
    ["deliver", "channel", "to", "accountId", "threadId", "provider", "bestEffortDeliver"];

const KNOWN: [&str; 13] = [
    "jobId",
    "name",
    "description",
    "enabled",
    "deleteAfterRun",
    "agentId",
    "schedule",
    "sessionTarget",
    "wakeMode",
    "payload",
    "delivery",
    "failureAlert",
    "schedulerVersion",
];

/// A job with changes: objects are changed key by key, and what is `null` is taken away. A schedule
/// or payload of another kind is a new one.
///
/// # Errors
/// What is wrong, with its place.
pub fn read_patch(spec: &Spec, patch: &Value, now: Timestamp) -> Read<Spec> {
    let patch = object(patch, "patch")?;
    let mut whole = spec_value(spec);
    let kind = whole["payload"]["kind"].clone();
    for (key, change) in patch {
        let old = &mut whole[key.as_str()];
        if key == "delivery" {
            replace_place(old, change);
        }
        match change {
            Value::Null => *old = Value::Null,
            Value::Object(fields)
                if old.is_object()
                    && fields.get("kind").is_none_or(|kind| *kind == old["kind"]) =>
            {
                for (name, field) in fields {
                    old[name.as_str()] = field.clone();
                }
            }
            other => *old = other.clone(),
        }
    }
    // What another kind of payload needs is for it to say.
    if whole["payload"]["kind"] != kind && !patch.contains_key("sessionTarget") {
        whole["sessionTarget"] = Value::Null;
    }
    secret::restore(&mut whole, spec_value(spec));
    if let Value::Object(fields) = &mut whole {
        fields.retain(|_, value| !value.is_null());
    }
    read_spec(&whole, now)
}

/// An address of a program is no place of a channel: naming one takes the other away.
fn replace_place(old: &mut Value, change: &Value) {
    let is_webhook = |delivery: &Value| delivery["mode"] == "webhook";
    let names_mode = change["mode"].is_string();
    if names_mode
        && is_webhook(old) != is_webhook(change)
        && let Some(old) = old.as_object_mut()
    {
        old.retain(|key, _| key == "bestEffort");
    }
}

/// The session a turn is to run in, if not one of its own.
fn read_target(job: &Map<String, Value>, payload: &Payload) -> Read<Option<String>> {
    let target = match job.get("sessionTarget") {
        None | Some(Value::Null) => return Ok(None),
        Some(target) => target.as_str().unwrap_or_default(),
    };
    let is_turn = matches!(payload, Payload::AgentTurn { .. });
    let named = match (target, payload) {
        // A command has no session, whatever is said about it.
        ("main", Payload::SystemEvent { .. })
        | ("isolated", Payload::AgentTurn { .. } | Payload::Command(_)) => return Ok(None),
        ("main", _) => return Err("sessionTarget main needs a payload of kind systemEvent".into()),
        ("isolated", _) => {
            return Err("sessionTarget isolated needs a payload of kind agentTurn".into());
        }
        (target, _) if !is_turn => {
            return Err(format!("sessionTarget {target} needs a payload of kind agentTurn"));
        }
        // Which one that is was known when the job was made, and to nobody later.
        ("current", _) => text(job, "sessionKey", "sessionKey")?.ok_or(
            "sessionTarget current needs sessionKey: the session in which the job is made",
        )?,
        (other, _) => other.strip_prefix("session:").unwrap_or_default().trim().to_owned(),
    };
    if named.is_empty() {
        return Err(format!(
            "sessionTarget {target:?} is not supported: main, isolated, current or session:<key>"
        ));
    }
    if matches!(payload, Payload::AgentTurn { model: Some(_), .. }) {
        return Err("payload.model needs a session of its own (sessionTarget isolated): this one \
                    has its own model"
            .into());
    }
    Ok(Some(named))
}

fn read_payload(payload: &Map<String, Value>) -> Read<(Payload, BTreeMap<String, String>)> {
    let mut kept = BTreeMap::new();
    let kind = payload.get("kind").and_then(Value::as_str).unwrap_or_default();
    let read = match kind {
        "systemEvent" => {
            check_keys(payload, "payload", &[&["kind", "text"], &LEGACY_DELIVERY])?;
            Payload::SystemEvent { text: said(payload, "text")? }
        }
        "agentTurn" => {
            check_keys(payload, "payload", &[&KNOWN_OF_TURN, &KEPT_OF_TURN, &LEGACY_DELIVERY])?;
            for (key, value) in payload {
                if KEPT_OF_TURN.contains(&key.as_str()) {
                    kept.insert(format!("payload.{key}"), value.to_string());
                }
            }
            check_tools(payload)?;
            let timeout_seconds = number(payload, "timeoutSeconds", "payload.timeoutSeconds")?;
            if timeout_seconds.is_some_and(|seconds| seconds > TIMEOUT_SECONDS_MAX) {
                return Err(format!("payload.timeoutSeconds is at most {TIMEOUT_SECONDS_MAX}"));
            }
            Payload::AgentTurn {
                message: said(payload, "message")?,
                model: text(payload, "model", "payload.model")?.filter(|name| !name.is_empty()),
                timeout_seconds,
            }
        }
        "command" => Payload::Command(command::read(payload)?),
        "" => return Err("payload.kind is missing: systemEvent, agentTurn or command".into()),
        other => {
            return Err(format!(
                "payload.kind {other:?} is not supported: systemEvent, agentTurn or command"
            ));
        }
    };
    Ok((read, kept))
}

/// A key that says nothing would be taken for one that does.
fn check_keys(of: &Map<String, Value>, place: &str, known: &[&[&str]]) -> Read<()> {
    let is_known = |key: &str| known.iter().any(|keys| keys.contains(&key));
    let stranger = of.iter().find(|(key, value)| !value.is_null() && !is_known(key));
    stranger.map_or(Ok(()), |(key, _)| {
        let kind = of.get("kind").and_then(Value::as_str);
        let kind = kind.map(|kind| format!(" of kind {kind}")).unwrap_or_default();
        let known = known.concat().join(", ");
        Err(format!("{place}.{key} is no key of a {place}{kind}; there are {known}"))
    })
}

/// A bound that is not kept would be worse than none.
fn check_tools(payload: &Map<String, Value>) -> Read<()> {
    for key in ["toolsAllow", "tools"] {
        let all = match payload.get(key) {
            None | Some(Value::Null) => true,
            Some(Value::Array(names)) => names.iter().any(|name| name == "*"),
            Some(_) => false,
        };
        if !all {
            return Err(format!(
                "payload.{key} is not supported for single jobs: give the job an agent of its own \
                 with fewer tools"
            ));
        }
    }
    Ok(())
}

fn said(payload: &Map<String, Value>, key: &str) -> Read<String> {
    let place = format!("payload.{key}");
    let said = text(payload, key, &place)?.unwrap_or_default();
    if said.trim().is_empty() {
        return Err(format!("{place} is empty"));
    }
    if said.chars().count() > TEXT_CHARS_MAX {
        return Err(format!("{place} must have at most {TEXT_CHARS_MAX} characters"));
    }
    Ok(said)
}

fn read_wake(value: Option<&Value>) -> Read<WakeMode> {
    match value.map(|mode| mode.as_str().unwrap_or_default()) {
        None | Some("now") => Ok(WakeMode::Now),
        Some("next-heartbeat") => Ok(WakeMode::NextHeartbeat),
        Some(other) => Err(format!("wakeMode {other:?} is neither now nor next-heartbeat")),
    }
}

fn first_line(payload: &Payload) -> String {
    let text = match payload {
        Payload::SystemEvent { text } | Payload::AgentTurn { message: text, .. } => text.clone(),
        // What stands behind it may be secret, and everybody sees names.
        Payload::Command(line) => program(line.argv.first().map_or("", String::as_str)),
    };
    head(&text)
}

/// The beginning of a text's first line.
fn head(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().take(60).collect()
}

/// A program's name without its folder.
fn program(path: &str) -> String {
    let name = path.trim().rsplit('/').find(|part| !part.is_empty());
    head(name.unwrap_or(path))
}

fn object<'a>(value: &'a Value, what: &str) -> Read<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what} must be an object"))
}

fn text(of: &Map<String, Value>, key: &str, place: &str) -> Read<Option<String>> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{place} must be a text")),
    }
}

fn flag(of: &Map<String, Value>, key: &str, place: &str) -> Read<Option<bool>> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(format!("{place} must be true or false")),
    }
}

fn number(of: &Map<String, Value>, key: &str, place: &str) -> Read<Option<u64>> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let whole = value.as_u64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, and within what a float tells apart"
            )]
            let float = || {
                let float = value.as_f64()?;
                (float.fract() == 0.0 && (0.0..=9e15).contains(&float)).then_some(float as u64)
            };
            whole
                .or_else(float)
                .map(Some)
                .ok_or_else(|| format!("{place} must be a whole number, and not negative"))
        }
    }
}

#[cfg(test)]
mod tests;
