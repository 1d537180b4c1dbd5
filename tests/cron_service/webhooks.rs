//! Runs that are posted to a program: its own ledger says how often each was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Home, Process, until};
use crate::model::Model;
use crate::receiver::{Behaviour, Receiver};
use crate::wire::Wire;

const TOKEN: &str = "what-programs-are-shown";

struct Rig {
    home: Home,
    model: Model,
    receiver: Receiver,
}

impl Rig {
    fn new(more: Value) -> Self {
        let (home, model, receiver) = (Home::new(), Model::start(), Receiver::start());
        let mut cron = json!({
            "webhookToken": TOKEN,
            "webhookSsrfPolicy": {"dangerouslyAllowPrivateNetwork": true},
        });
        cron.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = json!({
            "models": {"providers": {"mock": {
                "baseUrl": model.url(), "api": "openai-completions", "models": [{"id": "m"}],
            }}},
            "agents": {"defaults": {"model": "mock/m"}, "entries": {"main": {"default": true}}},
            "cron": cron,
        });
        home.configure(&config.to_string());
        Self { home, model, receiver }
    }

    fn add(&self, service: &Process, id: &str, more: Value) -> Value {
        let mut job = json!({
            "id": id, "name": id, "schedule": {"kind": "every", "everyMs": 86_400_000},
            "payload": {"kind": "agentTurn", "message": "do it"},
            "delivery": {"mode": "webhook", "to": self.receiver.url()},
        });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.call("cron.add", &job)
    }

    fn posted(&self, count: usize) {
        until("the program is told", || (self.receiver.posts().len() >= count).then_some(()));
    }
}

/// Has a job run now; answers the name of its run.
fn run(service: &Process, id: &str) -> String {
    let begun = service.call("cron.run", &json!({"id": id}));
    begun["runId"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_is_posted_with_its_key_its_token_and_everything_about_it() {
    let rig = Rig::new(json!({}));
    let service = rig.home.start(&[]);
    let args = ["cron", "add", "--id", "j", "--every", "1d", "--message", "m", "--webhook"];
    let made = rig.home.ask(&[&args[..], &[&rig.receiver.url()]].concat());
    assert!(made.code == 0 && made.out.contains("posts to http://127.0.0.1:"), "{made:?}");
    let listed = service.call("cron.get", &json!({"id": "j"}));
    assert_eq!(listed["delivery"], json!({"mode": "webhook", "to": rig.receiver.url()}));
    let name = run(&service, "j");
    rig.posted(1);
    service.idle();
    let post = rig.receiver.posts().remove(0);
    assert_eq!(post.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    assert_eq!(post.header("idempotency-key"), Some(name.as_str()));
    assert_eq!(post.header("content-type"), Some("application/json"));
    let body = &post.body;
    for (key, expected) in [
        ("id", json!(name)),
        ("runId", json!(name)),
        ("event", json!("cron.finished")),
        ("jobId", json!("j")),
        ("status", json!("ok")),
        ("completionStatus", json!("succeeded")),
        ("model", json!("m")),
    ] {
        assert_eq!(body[key], expected, "{key}: {body}");
    }
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("did 20") && body["summary"] == text, "{body}");
    let at = body["scheduledAt"].as_str().unwrap();
    assert_eq!(text.strip_prefix("did "), Some(at), "the instant the agent was told: {body}");
    let entry = service.call("cron.runs", &json!({"id": "j"}))["entries"][0].clone();
    assert_eq!(entry["deliveryStatus"], json!("delivered"), "{entry}");
    assert_eq!(entry["delivered"], json!(true), "{entry}");
    let state = service.call("cron.get", &json!({"id": "j"}))["state"].clone();
    assert_eq!(state["lastDelivered"], json!(true), "{state}");
    service.stop();
}

#[test]
fn what_the_program_says_decides_whether_it_is_told_again() {
    let rig = Rig::new(json!({}));
    let service = rig.home.start(&[]);
    // It is not ready twice: the same event again, and nothing behind it overtakes.
    rig.receiver.script([Behaviour::Says(503, "retry-after: 1\r\n"), Behaviour::Says(429, "")]);
    rig.add(&service, "busy", json!({}));
    let name = run(&service, "busy");
    rig.posted(3);
    service.idle();
    assert_eq!(rig.receiver.ids(), vec![name; 3]);
    // What it does not want, what leads elsewhere and what nobody knows is shown to a person.
    let cases = [
        (Behaviour::Says(404, ""), "it does not want this"),
        (Behaviour::Says(302, "location: http://127.0.0.1:9/\r\n"), "redirects are not followed"),
        (Behaviour::Says(500, ""), "nobody can tell whether"),
        // Somebody before the program has lost patience, and the program may have what it needs.
        (Behaviour::Says(503, ""), "nobody can tell whether"),
        (Behaviour::Says(408, ""), "nobody can tell whether"),
        (Behaviour::Leaves, "nobody can tell whether"),
    ];
    for (nth, (behaviour, part)) in cases.into_iter().enumerate() {
        rig.receiver.script([behaviour]);
        let id = format!("bad{nth}");
        rig.add(&service, &id, json!({}));
        let name = run(&service, &id);
        let letters = service.dead_letters(nth + 1);
        assert!(letters.iter().any(|letter| letter.to_string().contains(part)), "{letters:?}");
        let times = rig.receiver.ids().iter().filter(|id| **id == name).count();
        assert_eq!(times, 1, "never again by itself");
        // Written to the outbox is not delivered.
        let status = if part.starts_with("nobody") { "unknown" } else { "not-delivered" };
        let ended = service.call("cron.runs", &json!({"id": id}))["entries"][0].clone();
        assert_eq!(
            (&ended["deliveryStatus"], &ended["delivered"]),
            (&json!(status), &json!(false))
        );
        assert!(ended["deliveryError"].as_str().unwrap().starts_with("dead letter d"), "{ended}");
        let state = service.call("cron.get", &json!({"id": id}))["state"].clone();
        assert_eq!(state["lastDeliveryStatus"], json!(status), "{state}");
        for letter in &letters {
            let whole = service.call("telson.deadLetters.show", &json!({"id": letter["id"]}));
            assert!(!whole.to_string().contains("by=telson"), "the address is shown: {whole}");
        }
    }
    service.stop();
}

#[test]
fn only_the_public_web_is_posted_to_unless_the_config_says_so() {
    let rig = Rig::new(json!({"webhookSsrfPolicy": {}}));
    let service = rig.home.start(&[]);
    rig.add(&service, "in", json!({}));
    run(&service, "in");
    let letters = service.dead_letters(1);
    let told = letters[0].to_string();
    assert!(
        told.contains("may not be posted to") && told.contains("cron.webhookSsrfPolicy"),
        "{told}"
    );
    assert!(rig.receiver.posts().is_empty());
    for (to, part) in [("ftp://x.test/", "http://"), ("nonsense", "no address"), ("", "no address")]
    {
        let made = rig.home.ask(&["cron", "add", "--at", "1h", "--message", "m", "--webhook", to]);
        assert!(made.code == 2 && made.err.contains(part), "{made:?}");
    }
    service.stop();
}

#[test]
fn failures_are_posted_as_runs_and_as_alerts() {
    let rig = Rig::new(json!({}));
    let service = rig.home.start(&[]);
    let url = rig.receiver.url();
    rig.add(
        &service,
        "fails",
        json!({
            "payload": {"kind": "command", "argv": ["/bin/false"]},
            "failureAlert": {"mode": "webhook", "to": url, "after": 1},
        }),
    );
    let name = run(&service, "fails");
    rig.posted(2);
    service.idle();
    let posts: BTreeMap<String, Value> =
        rig.receiver.posts().into_iter().map(|post| (post.id().to_owned(), post.body)).collect();
    let ended = &posts[&name];
    assert_eq!((&ended["status"], &ended["error"]), (&json!("error"), &json!("exit code 1")));
    let alert = &posts[&format!("{name}:alert")];
    assert_eq!(alert["event"], json!("cron.failureAlert"), "{alert}");
    assert!(alert["text"].as_str().unwrap().contains("\"fails\" has failed once"), "{alert}");
    service.stop();
}

#[test]
fn a_client_can_not_write_to_a_program_itself() {
    let rig = Rig::new(json!({}));
    let service = rig.home.start(&[]);
    let body = json!({"id": "x", "event": "forged"}).to_string();
    let params = json!({
        "channel": "webhook", "to": rig.receiver.url(), "message": body, "idempotencyKey": "k",
    });
    let refused = Wire::connect(&rig.home.socket()).unwrap().call("send", &params).unwrap_err();
    assert!(refused.contains("no configured account"), "{refused}");
    service.idle();
    assert!(rig.receiver.posts().is_empty());
    service.stop();
}

#[test]
fn killed_while_the_program_takes_it_the_run_is_not_posted_twice_but_shown() {
    let rig = Rig::new(json!({}));
    let service = rig.home.start(&[]);
    rig.receiver.script([Behaviour::Hangs]);
    rig.add(&service, "once", json!({}));
    let name = run(&service, "once");
    rig.posted(1);
    service.kill();
    let service = rig.home.start(&[]);
    let letters = service.dead_letters(1);
    assert!(letters[0].to_string().contains("nobody can tell whether"), "{letters:?}");
    service.idle();
    assert_eq!(rig.receiver.ids(), vec![name.clone(); 1]);
    // A person has asked there, and has it posted again under the same key.
    let letter = letters[0]["id"].to_string().replace('"', "");
    let replayed = rig.home.ask(&["dead-letters", "replay", &letter]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    rig.posted(2);
    assert_eq!(rig.receiver.ids(), vec![name; 2]);
    service.stop();
}

/// Kills a service that posts every second at moments that walk through a second; answers how often
/// each run was posted, and the runs whose posts were set aside.
fn killed(rig: &Rig, kills: usize) -> (BTreeMap<String, usize>, usize, BTreeSet<String>) {
    let mut service = rig.home.start(&[]);
    rig.add(&service, "tick", json!({"schedule": {"kind": "every", "everyMs": 1000}}));
    for nth in 1..=kills {
        // Every other death finds a post that nobody has answered.
        if nth % 2 == 0 {
            rig.receiver.script([Behaviour::Hangs]);
        }
        let posted = rig.receiver.posts().len();
        until("another run is posted", || (rig.receiver.posts().len() > posted).then_some(()));
        rig.model.takes(Duration::from_millis(if nth % 3 == 0 { 200 } else { 0 }));
        let moment = Duration::from_millis(u64::try_from(nth * 83 % 1000).unwrap());
        std::thread::park_timeout(moment);
        service.kill();
        service = rig.home.start(&[]);
    }
    let off = rig.home.ask(&["cron", "edit", "tick", "--disable"]);
    assert_eq!(off.code, 0, "{off:?}");
    until("no run is under way", || {
        (service.call("cron.status", &json!({}))["running"] == json!(0)).then_some(())
    });
    service.idle();
    let mut times = BTreeMap::new();
    for id in rig.receiver.ids() {
        *times.entry(id).or_insert(0) += 1;
    }
    let runs = service.call("cron.runs", &json!({"id": "tick", "limit": 200}));
    let ran = runs["entries"].as_array().unwrap().iter();
    // What was set aside is unknown.
    let ran = ran.filter(|entry| entry["deliveryStatus"] != "not-requested");
    let ran = ran.map(|entry| entry["runId"].as_str().unwrap().to_owned()).collect();
    let parked = service.dead_letters(0).len();
    service.stop();
    (times, parked, ran)
}

#[test]
fn killed_at_any_moment_no_run_is_posted_twice_and_none_is_lost() {
    let rig = Rig::new(json!({}));
    let (times, parked, ran) = killed(&rig, 8);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    let posted: BTreeSet<String> = times.into_keys().collect();
    assert!(posted.is_subset(&ran), "{posted:?} {ran:?}");
    // What is not in the program's ledger is before a person, and says so.
    let missing = ran.difference(&posted).count();
    assert!(missing <= parked && parked > 0, "{missing} missing, {parked} set aside");
    assert!(ran.len() >= 8, "one for each death: {ran:?}");
}

#[test]
fn killed_at_any_moment_and_sent_again_every_run_is_posted_under_its_key() {
    let rig = Rig::new(json!({"webhookUnsettledSends": "resend"}));
    let (times, parked, ran) = killed(&rig, 8);
    assert!(times.values().any(|times| *times > 1), "the same key again: {times:?}");
    let posted: BTreeSet<String> = times.into_keys().collect();
    assert_eq!((posted, parked), (ran, 0), "every run, and nothing is set aside");
}
