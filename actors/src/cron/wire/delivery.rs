//! Where a job's answers and alerts go, as JSON.

use serde_json::{Map, Value};

use super::{KEPT_OF_DELIVERY, Read, check_keys, flag, number, object, secret, text};
use crate::channel::webhook;
use crate::cron::job::{AlertRule, Alerts, Delivery, Place};

const PLACE: [&str; 5] = ["mode", "channel", "to", "accountId", "threadId"];
const ALERT: [&str; 4] = ["enabled", "after", "cooldownMs", "includeSkipped"];

pub(super) fn read_delivery(delivery: &Map<String, Value>) -> Read<Delivery> {
    check_keys(delivery, "delivery", &[&PLACE, &["bestEffort"], &KEPT_OF_DELIVERY])?;
    let best_effort = flag(delivery, "bestEffort", "delivery.bestEffort")?.unwrap_or(false);
    let announce = match delivery.get("mode").map(|mode| mode.as_str().unwrap_or_default()) {
        None | Some("announce" | "deliver") => true,
        Some("none") => false,
        Some("webhook") => {
            let to = read_webhook(delivery, "delivery")?;
            return Ok(Delivery { announce: true, to, best_effort });
        }
        Some(other) => {
            return Err(format!(
                "delivery.mode {other:?} is not supported: announce, webhook or none"
            ));
        }
    };
    Ok(Delivery { announce, to: read_place(delivery, "delivery")?, best_effort })
}

/// The address of a program, as a place on the channel of all webhooks.
fn read_webhook(of: &Map<String, Value>, place: &str) -> Read<Place> {
    for key in ["channel", "accountId", "threadId"] {
        let said = text(of, key, &format!("{place}.{key}"))?;
        if said.is_some_and(|said| !said.is_empty() && said != "last" && said != webhook::CHANNEL) {
            return Err(format!("{place}.{key} says nothing to a webhook: leave it out"));
        }
    }
    let to = text(of, "to", &format!("{place}.to"))?.unwrap_or_default();
    if secret::is_placeholder(&to) {
        return Err(format!("{place}.to is a placeholder for what was never there"));
    }
    webhook::check(to.trim()).map_err(|why| format!("{place}.to {to:?} {why}"))?;
    let channel = Some(webhook::CHANNEL.to_owned());
    Ok(Place { channel, to: Some(to.trim().to_owned()), ..Place::default() })
}

/// Before there was `delivery`, a payload said where its answer goes.
pub(super) fn legacy_delivery(payload: &Map<String, Value>) -> Read<Option<Delivery>> {
    let best_effort =
        flag(payload, "bestEffortDeliver", "payload.bestEffortDeliver")?.unwrap_or(false);
    let deliver = flag(payload, "deliver", "payload.deliver")?;
    let says = deliver.is_some() || payload.contains_key("to") || payload.contains_key("channel");
    if !says {
        return Ok(None);
    }
    let mut to = read_place(payload, "payload")?;
    to.channel = to.channel.or(text(payload, "provider", "payload.provider")?);
    Ok(Some(Delivery { announce: deliver.unwrap_or(true), to, best_effort }))
}

fn read_place(of: &Map<String, Value>, place: &str) -> Read<Place> {
    let part = |key: &str| {
        let found = match of.get(key) {
            // Ids of some platforms are numbers.
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => text(of, key, &format!("{place}.{key}"))?,
        };
        Ok::<_, String>(found.filter(|part| !part.is_empty()))
    };
    let channel = part("channel")?.filter(|channel| channel != "last");
    let read =
        Place { channel, to: part("to")?, account: part("accountId")?, thread: part("threadId")? };
    if read.channel.as_deref() == Some(webhook::CHANNEL) {
        return read_webhook(of, place);
    }
    if read.channel.is_some() && read.to.is_none() {
        return Err(format!("{place}.to is missing: who is meant on {place}.channel?"));
    }
    Ok(read)
}

pub(super) fn read_alerts(value: Option<&Value>) -> Read<Alerts> {
    match value {
        None | Some(Value::Null | Value::Bool(true)) => Ok(Alerts::Shared),
        Some(Value::Bool(false)) => Ok(Alerts::Off),
        Some(rule) => {
            let rule = object(rule, "failureAlert")?;
            check_keys(rule, "failureAlert", &[&PLACE, &ALERT])?;
            if flag(rule, "enabled", "failureAlert.enabled")? == Some(false) {
                return Ok(Alerts::Off);
            }
            let mode = text(rule, "mode", "failureAlert.mode")?;
            let place = match mode.as_deref() {
                None | Some("announce") => read_place(rule, "failureAlert")?,
                Some("webhook") => read_webhook(rule, "failureAlert")?,
                Some(other) => {
                    return Err(format!(
                        "failureAlert.mode {other:?} is not supported: announce or webhook"
                    ));
                }
            };
            let shared = AlertRule::default();
            let after = number(rule, "after", "failureAlert.after")?;
            Ok(Alerts::Own(AlertRule {
                after: after.map_or(shared.after, |after| u32::try_from(after).unwrap_or(u32::MAX)),
                cooldown_ms: number(rule, "cooldownMs", "failureAlert.cooldownMs")?
                    .unwrap_or(shared.cooldown_ms),
                include_skipped: flag(rule, "includeSkipped", "failureAlert.includeSkipped")?
                    .unwrap_or(false),
                to: (place != Place::default()).then_some(place),
            }))
        }
    }
}
