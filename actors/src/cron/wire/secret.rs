//! What of a job is for its owners alone (pure): the environment of its command and what stands behind
//! its program, and all of a webhook's address behind the host. Others are shown a placeholder; one
//! that comes back is what stood there.

use serde_json::{Map, Value, json};

use super::super::job::Job;
use super::{head, program, spec_value};
use crate::message::origin;

/// What is shown in place of something that is withheld.
const PLACEHOLDER: &str = "__OPENCLAW_REDACTED__";
/// The parts of a job that may name a webhook.
const PLACES: [&[&str]; 5] = [
    &["delivery"],
    &["delivery", "failureDestination"],
    &["delivery", "completionDestination"],
    &["failureAlert"],
    &["payload"],
];
/// And those of `cron` in a config.
const CONFIG_PLACES: [&[&str]; 2] = [&["failureAlert"], &["failureDestination"]];

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
    if let Some(name) = job["name"].as_str().and_then(|name| bare_name(&job, name)) {
        job["name"] = name.into();
    }
    for argument in arguments(&mut job) {
        *argument = PLACEHOLDER.into();
    }
    for place in PLACES {
        if let Some(to) = webhook(&mut job, place) {
            *to = Value::from(withheld(to.as_str().unwrap_or_default()));
        }
    }
    job
}

/// A run's value as those see it who may not change its job.
#[must_use]
pub fn run_without_secrets(mut run: Value, job: &Job) -> Value {
    let payload = json!({"payload": spec_value(&job.spec)["payload"]});
    if let Some(name) = run["jobName"].as_str().and_then(|name| bare_name(&payload, name)) {
        run["jobName"] = name.into();
    }
    run
}

/// What `cron` says in a config, as those see it who may not change it.
#[must_use]
pub fn config_without_secrets(mut cron: Value) -> Value {
    if let Some(jobs) = cron.get_mut("jobs").and_then(Value::as_array_mut) {
        for job in jobs {
            *job = without_secrets(job.take());
        }
    }
    for place in CONFIG_PLACES {
        if let Some(to) = webhook(&mut cron, place) {
            *to = Value::from(withheld(to.as_str().unwrap_or_default()));
        }
    }
    // The incumbent's one address for all jobs.
    if let Some(to) = cron.get_mut("webhook").filter(|to| to.is_string()) {
        *to = Value::from(withheld(to.as_str().unwrap_or_default()));
    }
    cron
}

/// The name in place of one that is made of a command's whole line, as jobs once were named.
fn bare_name(job: &Value, name: &str) -> Option<String> {
    let argv = job["payload"].get("argv")?.as_array()?;
    let parts: Option<Vec<&str>> = argv.iter().map(Value::as_str).collect();
    let line = parts?.join(" ");
    let is_made_of_it = argv.len() > 1 && head(&line) == name;
    is_made_of_it.then(|| program(argv.first().and_then(Value::as_str).unwrap_or_default()))
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
    let known: Vec<Value> = arguments(&mut old).map(std::mem::take).collect();
    if arguments(job).count() == known.len() {
        for (argument, known) in arguments(job).zip(known) {
            if *argument == PLACEHOLDER {
                *argument = known;
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

/// What stands behind the program of a command.
fn arguments(job: &mut Value) -> impl Iterator<Item = &mut Value> {
    let argv = job.get_mut("payload").and_then(|payload| payload.get_mut("argv"));
    argv.and_then(Value::as_array_mut).into_iter().flatten().skip(1)
}

fn webhook<'a>(job: &'a mut Value, place: &[&str]) -> Option<&'a mut Value> {
    let is_webhook = |place: &Value| {
        place["mode"] == "webhook" || place["channel"] == crate::channel::webhook::CHANNEL
    };
    let place = place.iter().try_fold(job, |value, key| value.get_mut(key))?;
    let place = Some(place).filter(|place| is_webhook(place))?;
    place.get_mut("to").filter(|to| to.is_string())
}

fn withheld(address: &str) -> String {
    let origin = origin(address).unwrap_or_default();
    format!("{origin}/{PLACEHOLDER}")
}

#[cfg(test)]
mod tests {
    use super::super::{read_patch, read_spec};
    use super::*;
    use crate::clock::Timestamp;
    use crate::cron::job::{JobId, JobState};

    const NOW: Timestamp = Timestamp(0);

    fn job() -> Value {
        json!({
            "schedule": {"kind": "at", "at": 1},
            "payload": {"kind": "command", "argv": ["/usr/bin/curl", "-H", "secret-f"], "env": {"A": "secret-a", "B": "secret-b"}},
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
        assert_eq!(shown["payload"]["argv"], json!(["/usr/bin/curl", PLACEHOLDER, PLACEHOLDER]));
        assert_eq!(shown["name"], "curl");
        // Whoever writes back what was shown changes nothing.
        assert_eq!(read_patch(&spec, &shown, NOW).unwrap(), spec);
        let patch = json!({"payload": {"env": {"A": PLACEHOLDER, "C": "new"}}});
        let changed = spec_value(&read_patch(&spec, &patch, NOW).unwrap());
        assert_eq!(changed["payload"]["env"], json!({"A": "secret-a", "C": "new"}));
        let patch = json!({"payload": {"argv": ["/bin/wget", PLACEHOLDER, PLACEHOLDER]}});
        let changed = spec_value(&read_patch(&spec, &patch, NOW).unwrap());
        assert_eq!(changed["payload"]["argv"], json!(["/bin/wget", "-H", "secret-f"]));
    }

    #[test]
    fn the_addresses_of_other_destinations_are_withheld_too() {
        let to = |path: &str| json!({"mode": "webhook", "to": format!("https://a.test/{path}")});
        let mut job = job();
        job["delivery"]["failureDestination"] = to("secret-g");
        job["delivery"]["completionDestination"] = to("secret-h");
        let shown = without_secrets(job.clone());
        assert!(!shown.to_string().contains("secret-"), "{shown}");
        let mut back = shown;
        restore(&mut back, job.clone());
        assert_eq!(back["delivery"], job["delivery"]);
        let cron = json!({
            "failureDestination": to("secret-i"), "webhook": "https://b.test/secret-j", "jobs": [job],
        });
        let shown = config_without_secrets(cron);
        assert!(!shown.to_string().contains("secret-"), "{shown}");
    }

    // Jobs that were made before were named by the beginning of their whole line.
    #[test]
    fn a_name_made_of_a_whole_line_is_not_shown() {
        let mut job = job();
        job["name"] = json!("/usr/bin/curl -H secret-f");
        let shown = without_secrets(job.clone());
        assert_eq!(shown["name"], "curl");
        let spec = read_spec(&job, NOW).unwrap();
        let job = Job {
            id: JobId::new("j").unwrap(),
            spec,
            created_at: NOW,
            updated_at: NOW,
            declared: None,
            state: JobState::default(),
        };
        let run = run_without_secrets(json!({"jobName": job.spec.name, "summary": "s"}), &job);
        assert_eq!(run, json!({"jobName": "curl", "summary": "s"}));
        let run = run_without_secrets(json!({"jobName": "Backup"}), &job);
        assert_eq!(run["jobName"], "Backup", "a name that somebody gave it");
    }

    #[test]
    fn a_config_is_shown_like_its_jobs() {
        let cron = json!({
            "jobs": [job()],
            "failureAlert": {"channel": "webhook", "to": "https://alerts.test/secret-g"},
        });
        let shown = config_without_secrets(cron);
        assert!(!shown.to_string().contains("secret-"), "{shown}");
        assert_eq!(shown["failureAlert"]["to"], "https://alerts.test/__OPENCLAW_REDACTED__");
        assert_eq!(config_without_secrets(json!(null)), json!(null));
    }

    #[test]
    fn a_placeholder_that_stands_for_nothing_is_refused() {
        let spec = read_spec(&job(), NOW).unwrap();
        let elsewhere = "https://other.test/__OPENCLAW_REDACTED__";
        for (patch, part) in [
            (json!({"payload": {"env": {"N": PLACEHOLDER}}}), "payload.env.N"),
            (json!({"payload": {"argv": ["a", PLACEHOLDER]}}), "payload.argv"),
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
