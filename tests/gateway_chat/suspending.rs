//! A gateway that becomes quiet because its supervisor wants to suspend the machine.

use serde_json::{Value, json};

use crate::client::{Client, message, text_of};
use crate::kit::{Home, until};
use crate::rig::{Rig, TOKEN, client, url};
use crate::scene::Scene;
use crate::wire::Wire;

/// Somebody who asks for quiet.
async fn prepare(client: &mut Client, request: &str, drain: bool) -> Value {
    let wish = json!({"requestId": request, "drain": drain});
    client.call("gateway.suspend.prepare", wish).await.unwrap()
}

async fn status(client: &mut Client, lease: &Value) -> Value {
    let named = json!({"suspensionId": lease["suspensionId"]});
    client.call("gateway.suspend.status", named).await.unwrap()
}

async fn resume(client: &mut Client, lease: &Value) -> Value {
    let named = json!({"suspensionId": lease["suspensionId"]});
    client.call("gateway.suspend.resume", named).await.unwrap()
}

/// Waits until what is under way has ended.
async fn ready(client: &mut Client, lease: &Value) {
    for _ in 0..400 {
        let now = status(client, lease).await;
        if now["status"] == "ready" {
            return;
        }
        assert_eq!(now["status"], "draining", "{now}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it never becomes quiet");
}

/// Whether a method is refused for the sake of quiet.
fn is_fenced(answer: &Result<Value, Value>) -> bool {
    let Err(error) = answer else { return false };
    (&error["code"], &error["retryable"]) == (&json!("UNAVAILABLE"), &json!(true))
        && error["details"]["reason"] == "gateway-suspending"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_ends_before_it_is_quiet_and_nothing_begins() {
    let rig = Rig::new();
    let service = rig.start();
    let mut ann = client(&service).await;
    ann.send("main", "[[hold]] the last for now", "k-1").await;
    until("the model is asked", || (rig.model.asked("[[hold]]") == 1).then_some(()));
    // Who does not want to wait is told what is under way, and everything goes on.
    let busy = prepare(&mut ann, "op-1", false).await;
    assert_eq!((&busy["status"], &busy["reason"]), (&json!("busy"), &json!("active-work")));
    assert_eq!(busy["blockers"][0]["kind"], "queued-turn", "{busy}");
    ann.send("other", "goes on", "k-2").await;
    assert_eq!(ann.ending("k-2").await["state"], "final");

    let lease = prepare(&mut ann, "op-2", true).await;
    let turns = &lease["blockers"][0];
    assert_eq!((&lease["status"], &turns["kind"]), (&json!("draining"), &json!("queued-turn")));
    assert_eq!(turns["count"], 1, "{lease}");
    ann.event(|event| is_phase(event, "draining")).await;
    let late = message("main", "too late for now", "k-3");
    assert!(is_fenced(&ann.call("chat.send", late.clone()).await));
    ann.call("chat.history", json!({"sessionKey": "main"})).await.unwrap();
    rig.model.release();
    assert_eq!(ann.ending("k-1").await["state"], "final");
    ready(&mut ann, &lease).await;
    ann.event(|event| is_phase(event, "prepared")).await;

    for (method, params) in [
        ("chat.send", late.clone()),
        ("chat.history", json!({"sessionKey": "main"})),
        ("health", json!({})),
        ("gateway.restart.request", json!({})),
        ("cron.list", json!({})),
    ] {
        let answer = ann.call(method, params).await;
        assert!(is_fenced(&answer), "{method}: {answer:?}");
    }
    // Somebody on the machine may look why nothing happens, and change nothing.
    let mut here = Wire::connect(&rig.home.socket()).unwrap();
    assert_eq!(here.call("status", &json!({})).unwrap()["state"], "suspended");
    let health = here.call("health", &json!({})).unwrap();
    assert!(health["troubled"].to_string().contains("suspended"), "{health}");
    assert!(here.call("gateway.restart.request", &json!({})).unwrap_err().contains("suspension"));
    // Whoever comes anew may end it.
    let mut other = client(&service).await;
    assert_eq!(resume(&mut other, &lease).await["resumed"], true);
    assert_eq!(resume(&mut other, &lease).await["resumed"], false);
    ann.event(|event| is_phase(event, "accepting")).await;
    assert_eq!(status(&mut other, &lease).await, json!({"status": "running"}));
    ann.call("chat.send", late).await.unwrap();
    assert_eq!(ann.ending("k-3").await["state"], "final");
    let history = ann.history("main").await;
    let said = history.iter().filter(|it| text_of(it).contains("echo: too late")).count();
    assert_eq!((said, rig.model.asked("too late")), (1, 1), "{history:?}");
    service.stop();
}

fn is_phase(event: &Value, phase: &str) -> bool {
    event["event"] == "gateway.suspension" && event["payload"] == json!({"phase": phase})
}

// D1, D2, D5: what comes meanwhile stays with its platform, whether the gateway goes on or dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_meanwhile_are_answered_once_afterwards() {
    for is_killed in [false, true] {
        let scene = Scene::new();
        scene.home.set_env("TELSON_GATEWAY_TOKEN", std::path::Path::new(TOKEN));
        let friend = scene.friend("+15550100001");
        let mut service = scene.start();
        let mut client = Client::connect(&url(&service), TOKEN).await;
        scene.say(&friend, "before [#1]");
        // Its own message is what is waited for.
        until("it is seen", || (!scene.texts_to(&friend).is_empty()).then_some(()));
        let lease = prepare(&mut client, "op", true).await;
        ready(&mut client, &lease).await;
        scene.say(&friend, "meanwhile [#2]");
        scene.say(&friend, "and more [#3]");
        // The watcher has come by since, and found it shut.
        let since = tokio::time::Instant::now();
        until("the watcher has looked", || {
            let passed = since.elapsed().as_millis();
            (u128::from(service.node("watcher")?["idle_ms"].as_u64()?) < passed).then_some(())
        });
        scene.assert_only(&[(&friend, "[#1]")]);
        assert_eq!(service.call("status", &json!({}))["load"]["waiting"], 0);
        if is_killed {
            service.kill();
            service = scene.start();
        } else {
            assert_eq!(resume(&mut client, &lease).await["resumed"], true);
        }
        let all = [(&friend, "[#1]"), (&friend, "[#2]"), (&friend, "[#3]")];
        scene.answered(&all);
        service.idle();
        scene.assert_only(&all);
        service.stop();
    }
}

// Again and again, with messages coming all the time: prepare at once, die or go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_comes_and_goes_in_a_stream_of_messages_and_nothing_is_lost_or_doubled() {
    // A kill may come between the note of a send and the send: see the kills of this channel.
    let settings = json!({"unsettledSends": "resend", "unsettledAfterSeconds": 3});
    let scene = Scene::with(&settings, &[]);
    scene.home.set_env("TELSON_GATEWAY_TOKEN", std::path::Path::new(TOKEN));
    let friends = ["+15550100001", "+15550100002", "+15550100003"].map(|it| scene.friend(it));
    let mut service = scene.start();
    let mut marks = Vec::new();
    for round in 0..12 {
        let mut client = Client::connect(&url(&service), TOKEN).await;
        for (number, friend) in friends.iter().enumerate() {
            let mark = format!("[#{round}.{number}]");
            scene.say(friend, &format!("hello {mark}"));
            marks.push((number, mark));
        }
        let drains = round % 2 == 0;
        let lease = prepare(&mut client, &format!("op-{round}"), drains).await;
        match round % 3 {
            // In the middle of it.
            0 => {
                service.kill();
                service = scene.start();
            }
            1 if lease["status"] != "busy" => {
                resume(&mut client, &lease).await;
            }
            _ if lease["status"] == "draining" => {
                ready(&mut client, &lease).await;
                resume(&mut client, &lease).await;
            }
            _ if lease["status"] == "ready" => {
                resume(&mut client, &lease).await;
            }
            _ => {}
        }
    }
    let all: Vec<_> = marks.iter().map(|(number, mark)| (&friends[*number], &**mark)).collect();
    scene.answered(&all);
    service.idle();
    scene.assert_only(&all);
    service.stop();
}

/// A job whose command runs until it may end, and says in a file that it has begun.
fn add_job(home: &Home, id: &str, every_ms: u64) {
    let (begun, go) = (home.path(&format!("{id}-begun")), home.path(&format!("{id}-go")));
    let (begun, go) = (begun.display(), go.display());
    let script = format!("echo x >> {begun}; until [ -e {go} ]; do sleep 0.05; done");
    let job = json!({
        "id": id, "schedule": {"kind": "every", "everyMs": every_ms},
        "payload": {"kind": "command", "argv": ["/bin/sh", "-c", script]},
    });
    let mut wire = Wire::connect(&home.socket()).unwrap();
    wire.call("cron.add", &job).unwrap();
}

fn begun(home: &Home, id: &str) -> usize {
    let lines = std::fs::read_to_string(home.path(&format!("{id}-begun"))).unwrap_or_default();
    lines.lines().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_come_meanwhile_begin_afterwards() {
    let rig = Rig::new();
    let service = rig.start();
    let mut ann = client(&service).await;
    add_job(&rig.home, "held", 86_400_000);
    ann.call("cron.run", json!({"id": "held"})).await.unwrap();
    until("the command runs", || (begun(&rig.home, "held") == 1).then_some(()));
    let lease = prepare(&mut ann, "op", true).await;
    assert_eq!(lease["blockers"][0]["kind"], "cron-run", "{lease}");
    std::fs::write(rig.home.path("tick-go"), "").unwrap();
    add_job(&rig.home, "tick", 1_000);
    let refused = ann.call("cron.run", json!({"id": "tick"})).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("suspended"), "{refused}");
    std::fs::write(rig.home.path("held-go"), "").unwrap();
    ready(&mut ann, &lease).await;
    // Its instant has come, and goes by.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!((begun(&rig.home, "held"), begun(&rig.home, "tick")), (1, 0));
    resume(&mut ann, &lease).await;
    until("the job comes", || (begun(&rig.home, "tick") > 0).then_some(()));
    let runs = ann.call("cron.runs", json!({"id": "held"})).await.unwrap();
    assert_eq!(runs["entries"][0]["status"], "ok", "{runs}");
    service.stop();
}

// A restart that somebody asks for over the signal waits for whoever wants quiet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_waits_for_the_end_of_a_suspension() {
    let rig = Rig::new();
    let service = rig.start();
    let mut ann = client(&service).await;
    let lease = prepare(&mut ann, "op", false).await;
    assert_eq!(lease["status"], "ready", "{lease}");
    service.signal(rustix::process::Signal::USR1);
    until("it is asked for", || service.log().contains("SIGUSR1").then_some(()));
    let again = prepare(&mut ann, "op", false).await;
    assert_eq!(again["suspensionId"], lease["suspensionId"], "a lease is renewed all the same");
    // It would have begun anew by then.
    for _ in 0..15 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(status(&mut ann, &lease).await["status"], "ready");
    }
    assert!(!service.log().contains("beginning anew"), "{}", service.log());
    resume(&mut ann, &lease).await;
    until("it has begun anew", || {
        let mut wire = Wire::connect(&rig.home.socket())?;
        let stability = wire.call("diagnostics.stability", &json!({})).ok()?;
        (stability["lives"]["restartsAskedFor"] == 1).then_some(())
    });
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_service_stops_when_it_is_told_to() {
    let rig = Rig::new();
    let service = rig.start();
    let mut ann = client(&service).await;
    prepare(&mut ann, "op", false).await;
    service.stop();
}
