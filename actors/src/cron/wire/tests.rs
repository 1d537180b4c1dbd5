//! What is read, what is refused, and that writing and reading are one.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::cron::job::{Job, JobState};
use crate::cron::schedule::Schedule;

const NOW: Timestamp = Timestamp(1_795_219_318_591);

fn read(value: Value) -> Result<Spec, String> {
    read_spec(&value, NOW)
}

fn turn(extra: Value) -> Value {
    let mut value = json!({
        "name": "w1",
        "schedule": {"kind": "every", "everyMs": 3_600_000},
        "payload": {"kind": "agentTurn", "message": "do it"},
    });
    for (key, part) in extra.as_object().unwrap() {
        value[key.as_str()] = part.clone();
    }
    value
}

#[test]
fn a_job_is_read_with_its_defaults() {
    let spec = read(turn(json!({"sessionTarget": "isolated", "wakeMode": "now"}))).unwrap();
    assert_eq!(spec.schedule, Schedule::Every { every_ms: 3_600_000, anchor: NOW });
    assert!(spec.enabled && !spec.delete_after_run);
    let delivery = spec.delivery.unwrap();
    assert!(delivery.announce && delivery.best_effort && delivery.to == Place::default());
}

#[test]
fn moments_are_read_in_every_spelling() {
    for (at, expected) in [
        (json!("2026-11-21T00:01:58.591Z"), 1_795_219_318_591),
        (json!("2026-11-21T01:01:58+01:00"), 1_795_219_318_000),
        (json!("2026-11-21T00:01:58"), 1_795_219_318_000),
        (json!("2026-11-21"), 1_795_219_200_000),
        (json!("20m"), NOW.0 + 1_200_000),
        (json!(7), 7),
    ] {
        let spec = read(turn(json!({"schedule": {"kind": "at", "at": at}}))).unwrap();
        assert_eq!(spec.schedule, Schedule::At(Timestamp(expected)));
        assert!(spec.delete_after_run);
    }
}

#[test]
fn where_a_payload_said_where_to_it_is_understood() {
    let spec = read(turn(json!({"payload": {
        "kind": "agentTurn", "message": "m", "deliver": true, "channel": "imessage",
        "to": 15_550_100, "bestEffortDeliver": true,
    }})))
    .unwrap();
    let to =
        Place { channel: Some("imessage".into()), to: Some("15550100".into()), ..Place::default() };
    assert_eq!(spec.delivery, Some(Delivery { announce: true, to, best_effort: true }));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (extra, part) in [
        (json!({"schedule": {"kind": "on-exit"}}), "schedule.kind \"on-exit\" is not supported"),
        (json!({"schedule": {"kind": "every"}}), "schedule.everyMs is missing"),
        (json!({"schedule": {"kind": "at", "at": "soon"}}), "schedule.at \"soon\" is no moment"),
        (json!({"schedule": {"kind": "stream"}}), "schedule.kind \"stream\" is not supported"),
        (json!({"payload": {"kind": "script", "code": "1"}}), "payload.kind \"script\""),
        (json!({"payload": {"kind": "command", "argv": []}}), "payload.argv names no program"),
        (json!({"payload": {"kind": "agentTurn", "message": " "}}), "payload.message is empty"),
        (
            json!({"payload": {"kind": "agentTurn", "message": "m", "toolsAllow": ["read"]}}),
            "payload.toolsAllow is not supported",
        ),
        (json!({"sessionTarget": "main"}), "sessionTarget main needs"),
        (json!({"sessionTarget": "session: "}), "sessionTarget \"session: \" is not supported"),
        (json!({"sessionTarget": "current"}), "sessionTarget current needs sessionKey"),
        (
            json!({"sessionTarget": "current", "payload": {"kind": "systemEvent", "text": "t"}}),
            "sessionTarget current needs a payload of kind agentTurn",
        ),
        (json!({"delivery": {"mode": "webhook"}}), "delivery.to \"\" is no address"),
        (
            json!({"delivery": {"mode": "webhook", "to": "http://a:b@c.test/"}}),
            "must not name a user",
        ),
        (
            json!({"delivery": {"mode": "webhook", "to": "http://c.test/", "channel": "imessage"}}),
            "delivery.channel says nothing to a webhook",
        ),
        (json!({"delivery": {"channel": "webhook", "to": "x"}}), "delivery.to \"x\" is no address"),
        (json!({"delivery": {"mode": "fax"}}), "delivery.mode \"fax\" is not supported"),
        (json!({"failureAlert": {"mode": "webhook", "to": "ftp://x"}}), "failureAlert.to"),
        (json!({"failureAlert": {"mode": "fax"}}), "failureAlert.mode \"fax\""),
        (json!({"delivery": {"channel": "imessage"}}), "delivery.to is missing"),
        (json!({"wakeMode": "later"}), "wakeMode \"later\""),
        (json!({"enabled": "yes"}), "enabled must be true or false"),
        (json!({"shedule": 1}), "shedule is no key of a job"),
    ] {
        let error = read(turn(extra)).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_patch_changes_what_it_names_and_null_takes_away() {
    let spec = read(turn(json!({"description": "d", "payload": {
        "kind": "agentTurn", "message": "m", "thinking": "low", "model": "a/b",
    }})))
    .unwrap();
    let changed = read_patch(
        &spec,
        &json!({"description": null, "payload": {"message": "n"}, "schedule": {"everyMs": 5000}}),
        NOW,
    )
    .unwrap();
    assert_eq!(changed.description, None);
    assert_eq!(changed.kept, spec.kept);
    let expected = Payload::AgentTurn {
        message: "n".into(),
        model: Some("a/b".into()),
        timeout_seconds: None,
    };
    assert_eq!(changed.payload, expected);
    assert_eq!(changed.schedule, Schedule::Every { every_ms: 5000, anchor: NOW });
    let other = json!({"payload": {"kind": "systemEvent", "text": "t"}});
    let other = read_patch(&spec, &other, NOW).unwrap();
    assert_eq!(other.payload, Payload::SystemEvent { text: "t".into() });
}

// Whoever misspells a key has to hear of it, and so has who changes one of another kind.
#[test]
fn keys_that_say_nothing_are_refused_with_their_place() {
    let turn = json!({"kind": "agentTurn", "message": "m"});
    let every = json!({"kind": "every", "everyMs": 1000});
    let with = |part: &Value, key: &str, value: Value| {
        let mut part = part.clone();
        part[key] = value;
        part
    };
    for (schedule, payload, more, place) in [
        (
            json!({"kind": "cron", "expr": "0 8 * * *", "timezone": "Europe/Berlin"}),
            turn.clone(),
            json!({}),
            "schedule.timezone is no key of a schedule of kind cron",
        ),
        (with(&every, "tz", json!("UTC")), turn.clone(), json!({}), "schedule.tz"),
        (json!({"kind": "at", "at": 1, "everyMs": 5}), turn.clone(), json!({}), "schedule.everyMs"),
        (
            every.clone(),
            with(&turn, "timeoutSecond", json!(30)),
            json!({}),
            "payload.timeoutSecond",
        ),
        (
            every.clone(),
            json!({"kind": "systemEvent", "text": "t", "model": "m"}),
            json!({}),
            "payload.model is no key of a payload of kind systemEvent",
        ),
        (every.clone(), turn.clone(), json!({"delivery": {"chanel": "x"}}), "delivery.chanel"),
        (
            every.clone(),
            turn.clone(),
            json!({"failureAlert": {"afters": 1}}),
            "failureAlert.afters",
        ),
    ] {
        let mut job = json!({"schedule": schedule, "payload": payload});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = read(job).unwrap_err();
        assert!(told.starts_with(place), "{told}");
    }
    let cron = json!({"schedule": {"kind": "cron", "expr": "0 8 * * *"}, "payload": turn});
    let spec = read(cron).unwrap();
    let told = read_patch(&spec, &json!({"schedule": {"everyMs": 60_000}}), NOW).unwrap_err();
    assert!(told.starts_with("schedule.everyMs"), "{told}");
}

#[test]
fn what_is_kept_without_effect_is_named() {
    let job = json!({
        "schedule": {"kind": "every", "everyMs": 1000}, "pacing": {"min": 1}, "displayName": "d",
        "payload": {"kind": "agentTurn", "message": "m", "thinking": "high", "fallbacks": ["a"]},
        "delivery": {"mode": "none", "failureDestination": {"to": "x"}},
    });
    let job = Job {
        id: JobId::new("j").unwrap(),
        spec: read(job).unwrap(),
        created_at: NOW,
        updated_at: NOW,
        declared: None,
        state: JobState::default(),
    };
    let shown = job_value(&job, "main");
    let named =
        json!(["delivery.failureDestination", "pacing", "payload.fallbacks", "payload.thinking"]);
    assert_eq!(shown["notApplied"], named);
    // Whoever writes back what was shown changes nothing.
    assert_eq!(read_patch(&job.spec, &shown, NOW).unwrap(), job.spec);
}

fn any_spec() -> impl Strategy<Value = Value> {
    let schedule = prop_oneof![
        (0i64..4_000_000_000_000).prop_map(|at| json!({"kind": "at", "at": at})),
        (1000u64..10_000_000_000, -5_i64..5_000_000_000_000).prop_map(
            |(every, anchor)| json!({"kind": "every", "everyMs": every, "anchorMs": anchor})
        ),
        (0u64..60, prop::option::of(0u64..1000)).prop_map(|(minute, stagger)| json!({
            "kind": "cron", "expr": format!("{minute} * * * *"), "tz": "Europe/Berlin",
            "staggerMs": stagger,
        })),
    ];
    let payload = prop_oneof![
        "[a-z]{1,9}".prop_map(|text| json!({"kind": "systemEvent", "text": text})),
        ("[a-z]{1,9}", prop::option::of("[a-z]{1,5}"), prop::option::of(0u64..9000)).prop_map(
            |(message, model, seconds)| json!({
                "kind": "agentTurn", "message": message, "model": model, "timeoutSeconds": seconds,
            })
        ),
        prop::collection::vec("[a-z ]{1,5}", 0..3).prop_map(|more| {
            let argv: Vec<String> = ["echo".to_owned()].into_iter().chain(more).collect();
            json!({"kind": "command", "argv": argv, "env": {"A": "b"}})
        }),
    ];
    let webhook = json!({"mode": "webhook", "to": "https://x.test/a?b"});
    let delivery = prop::sample::select(vec![
        Value::Null,
        json!({"mode": "none"}),
        json!({"channel": "fake", "to": "anna", "bestEffort": true}),
        webhook.clone(),
    ]);
    let alert = prop_oneof![
        Just(Value::Null),
        Just(json!(false)),
        Just(webhook),
        (1u32..9, 0u64..99, any::<bool>()).prop_map(|(after, cooldown, skipped)| json!({
            "after": after, "cooldownMs": cooldown, "includeSkipped": skipped,
        })),
    ];
    (schedule, payload, alert, delivery, any::<bool>(), "[a-z ]{0,9}").prop_map(
        |(schedule, payload, alert, delivery, enabled, name)| {
            let is_turn = payload["kind"] == "agentTurn" && payload["model"].is_null();
            let target = if is_turn && enabled { json!("session:garden") } else { Value::Null };
            json!({
                "name": name, "enabled": enabled, "schedule": schedule, "payload": payload,
                "failureAlert": alert, "delivery": delivery, "sessionTarget": target,
            })
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(value in any_spec()) {
        let spec = read(value).unwrap();
        prop_assert_eq!(read(spec_value(&spec)).unwrap(), spec.clone());
        prop_assert_eq!(read_patch(&spec, &json!({}), NOW).unwrap(), spec);
    }
}
