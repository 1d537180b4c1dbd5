//! What of a job is for its owners alone (pure): the environment of its command, and all of a webhook's
//! address behind the host. Others are shown a placeholder; one that comes back is what stood there.

use serde_json::{Map, Value};

use crate::message::origin;

/// What is shown in place of something that is withheld.
const PLACEHOLDER: &str = "__OPENCLAW_REDACTED__";
/// The parts of a job that may name a webhook.
const PLACES: [&str; 2] = ["delivery", "failureAlert"];

/// Whether this stands for something else.
pub(super) fn is_placeholder(text: &str) -> bool {
    text.contains(PLACEHOLDER)
}

/// A job's value as those see it who may not change it.
#[must_use]
pub fn without_secrets(mut job: Value) -> Value {
    if let Some(env) = variables(&mut job) {
        for value in env.values_mut() {
            *value = PLACEHOLDER.into();
        }
    }
    for place in PLACES {
        if let Some(to) = webhook(&mut job, place) {
            *to = Value::from(withheld(to.as_str().unwrap_or_default()));
        }
    }
    job
}

/// Puts back what the placeholders in `job` stand for in `old`. One that stands for nothing stays.
pub(super) fn restore(job: &mut Value, mut old: Value) {
    let known = variables(&mut old).map(std::mem::take).unwrap_or_default();
    if let Some(env) = variables(job) {
        for (name, value) in env {
            if let Some(known) = known.get(name).filter(|_| *value == PLACEHOLDER) {
                *value = known.clone();
            }
        }
    }
    for place in PLACES {
        let known = webhook(&mut old, place).and_then(|to| to.as_str().map(str::to_owned));
        if let (Some(known), Some(to)) = (known, webhook(job, place))
            && *to == withheld(&known)
        {
            *to = known.into();
        }
    }
}

fn variables(job: &mut Value) -> Option<&mut Map<String, Value>> {
    job.get_mut("payload")?.get_mut("env")?.as_object_mut()
}

fn webhook<'a>(job: &'a mut Value, place: &str) -> Option<&'a mut Value> {
    let place = job.get_mut(place).filter(|place| place["mode"] == "webhook")?;
    place.get_mut("to")
}

fn withheld(address: &str) -> String {
    let origin = origin(address).unwrap_or_default();
    format!("{origin}/{PLACEHOLDER}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{read_patch, read_spec, spec_value};
    use super::*;
    use crate::clock::Timestamp;

    const NOW: Timestamp = Timestamp(0);

    fn job() -> Value {
        json!({
            "schedule": {"kind": "at", "at": 1},
            "payload": {"kind": "command", "argv": ["true"], "env": {"A": "secret-a", "B": "secret-b"}},
            "delivery": {"mode": "webhook", "to": "https://hooks.test/secret-c?k=secret-d"},
            "failureAlert": {"mode": "webhook", "to": "https://alerts.test/secret-e"},
        })
    }

    #[test]
    fn what_is_for_owners_is_withheld_and_restored_when_it_comes_back() {
        let spec = read_spec(&job(), NOW).unwrap();
        let shown = without_secrets(spec_value(&spec));
        assert!(!shown.to_string().contains("secret-"), "{shown}");
        assert_eq!(shown["delivery"]["to"], "https://hooks.test/__OPENCLAW_REDACTED__");
        // Whoever writes back what was shown changes nothing.
        assert_eq!(read_patch(&spec, &shown, NOW).unwrap(), spec);
        let patch = json!({"payload": {"env": {"A": PLACEHOLDER, "C": "new"}}});
        let changed = spec_value(&read_patch(&spec, &patch, NOW).unwrap());
        assert_eq!(changed["payload"]["env"], json!({"A": "secret-a", "C": "new"}));
    }

    #[test]
    fn a_placeholder_that_stands_for_nothing_is_refused() {
        let spec = read_spec(&job(), NOW).unwrap();
        let elsewhere = "https://other.test/__OPENCLAW_REDACTED__";
        for (patch, part) in [
            (json!({"payload": {"env": {"N": PLACEHOLDER}}}), "payload.env.N"),
            (json!({"delivery": {"to": elsewhere}}), "delivery.to"),
            (json!({"failureAlert": {"to": elsewhere}}), "failureAlert.to"),
        ] {
            let told = read_patch(&spec, &patch, NOW).unwrap_err();
            assert!(told.starts_with(part) && told.contains("placeholder"), "{told}");
        }
        assert!(
            read_spec(&without_secrets(job()), NOW).is_err(),
            "a new job has nothing to restore"
        );
    }
}
