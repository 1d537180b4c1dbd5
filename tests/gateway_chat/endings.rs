//! The ways a run can end, each told once.

use serde_json::{Value, json};

use crate::client::{Client, count, is_ending_of, message, text_of};
use crate::kit::until;
use crate::rig::{Rig, client};

fn has_text(event: &Value) -> bool {
    event["event"] == "chat" && event["payload"]["state"] == "delta"
}

async fn abort(client: &mut Client, run: Option<&str>) -> Value {
    let mut params = json!({"sessionKey": "main"});
    if let Some(run) = run {
        params["runId"] = json!(run);
    }
    client.call("chat.abort", params).await.unwrap()
}

async fn no_more_endings(client: &mut Client, runs: &[&str]) {
    let rest = client.rest().await;
    let ends = rest.iter().filter(|event| runs.iter().any(|run| is_ending_of(event, run))).count();
    assert_eq!(ends, 0, "each run ends once: {rest:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_run_that_is_named_is_aborted_and_the_next_goes_on() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("main", "first [#1] [[hold]]", "k1").await;
    client.event(has_text).await;
    client.send("main", "second [#2]", "k2").await;
    client.send("main", "third [#3]", "k3").await;
    let aborted = abort(&mut client, Some("k2")).await;
    assert_eq!(aborted, json!({"ok": true, "aborted": true, "runIds": ["k2"]}), "one that waits");
    let aborted = abort(&mut client, Some("k1")).await;
    assert_eq!(aborted, json!({"ok": true, "aborted": true, "runIds": ["k1"]}), "one that runs");
    for run in ["k1", "k2"] {
        let ending = client.ending(run).await;
        assert_eq!(ending["state"], "aborted", "{ending}");
    }
    let ending = client.ending("k3").await;
    assert_eq!(text_of(&ending["message"]), "echo: third [#3]");
    assert_eq!(
        rig.model.asked("second"),
        0,
        "what was aborted is not asked: {:?}",
        rig.model.ledger()
    );
    let aborted = abort(&mut client, Some("k1")).await;
    assert_eq!(aborted, json!({"ok": true, "aborted": false, "runIds": []}), "it has ended");
    no_more_endings(&mut client, &["k1", "k2", "k3"]).await;
    // It stays aborted, and its key stays used.
    let again = client.send("main", "first [#1] [[hold]]", "k1").await;
    assert_eq!(again["status"], "ok");
    let waited = client.call("agent.wait", json!({"runId": "k1"})).await.unwrap();
    assert_eq!(waited["status"], "error", "{waited}");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_without_a_run_ends_what_waits_and_what_runs() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("main", "first [#1] [[hold]]", "k1").await;
    client.event(has_text).await;
    client.send("main", "second [#2]", "k2").await;
    let aborted = abort(&mut client, None).await;
    assert_eq!(aborted, json!({"ok": true, "aborted": true, "runIds": ["k1", "k2"]}));
    for run in ["k1", "k2"] {
        assert_eq!(client.ending(run).await["state"], "aborted");
    }
    assert_eq!(abort(&mut client, None).await["aborted"], false);
    let stopped = client.call("sessions.abort", json!({"key": "main"})).await.unwrap();
    assert_eq!(stopped["status"], "no-active-run");
    no_more_endings(&mut client, &["k1", "k2"]).await;
    assert_eq!(rig.model.ledger().len(), 1);
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_refuses_ends_the_run_with_an_error() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("main", "please [#1] [[fail]]", "k1").await;
    let ending = client.ending("k1").await;
    assert_eq!(ending["state"], "error", "{ending}");
    assert!(ending["errorMessage"].as_str().unwrap().contains("no such model"), "{ending}");
    let again = client.send("main", "please [#1] [[fail]]", "k1").await;
    assert_eq!(again["status"], "error", "{again}");
    let waited = client.call("agent.wait", json!({"runId": "k1"})).await.unwrap();
    assert_eq!(waited["status"], "error", "{waited}");
    no_more_endings(&mut client, &["k1"]).await;
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_commands_end_too() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("main", "be quiet [#1] [[silent]]", "k1").await;
    let told = client.run("k1").await;
    let last = told.last().unwrap();
    assert_eq!((&last["state"], last.get("message")), (&json!("final"), None));
    assert!(!told.iter().any(|told| told.to_string().contains("NO_REPLY")), "{told:#?}");
    client.send("main", "/queue", "k2").await;
    let ending = client.ending("k2").await;
    assert!(text_of(&ending["message"]).starts_with("Queue:"), "{ending}");
    client.send("main", "first [#3] [[hold]]", "k3").await;
    client.event(has_text).await;
    client.send("main", "/stop", "k4").await;
    assert_eq!(client.ending("k3").await["state"], "aborted");
    assert_eq!(client.ending("k4").await["state"], "final");
    no_more_endings(&mut client, &["k1", "k2", "k3", "k4"]).await;
    // What people are told beside answers takes its way through the outbox.
    service.idle();
    let history = client.history("main").await;
    assert_eq!(count(&history, "assistant", "NO_REPLY"), 0, "{history:#?}");
    assert_eq!(count(&history, "assistant", "Stopped."), 1, "{history:#?}");
    assert_eq!(count(&history, "assistant", "Queue:"), 1, "{history:#?}");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_answered_together_end_together_and_the_answer_is_told_once() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("main", "/queue collect debounce:50ms", "k0").await;
    client.ending("k0").await;
    client.send("main", "first [#1] [[hold]]", "k1").await;
    client.event(has_text).await;
    for (text, key) in [("second [#2]", "k2"), ("third [#3]", "k3"), ("fourth [#4]", "k4")] {
        client.send("main", text, key).await;
    }
    rig.model.release();
    client.ending("k1").await;
    let mut texts = Vec::new();
    for run in ["k2", "k3", "k4"] {
        let ending = client.ending(run).await;
        assert_eq!(ending["state"], "final", "{ending}");
        texts.push(text_of(&ending["message"]));
    }
    assert_eq!(texts, ["echo: second [#2]\n\nthird [#3]\n\nfourth [#4]", "", ""]);
    for run in ["k3", "k4"] {
        let waited = client.call("agent.wait", json!({"runId": run})).await.unwrap();
        assert_eq!(waited["status"], "ok", "{waited}");
    }
    no_more_endings(&mut client, &["k1", "k2", "k3", "k4"]).await;
    assert_eq!(rig.model.ledger().len(), 2);
    service.stop();
}

// A run that an earlier life has begun ends for the clients of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_an_earlier_life_ends_in_this_one() {
    let rig = Rig::new();
    let service = rig.start();
    let mut before = client(&service).await;
    before.send("main", "first [#1] [[hold]]", "k1").await;
    until("the model is asked", || (rig.model.asked("[#1]") == 1).then_some(()));
    service.kill();
    let service = rig.start();
    let mut client = client(&service).await;
    assert_eq!(client.send("main", "first [#1] [[hold]]", "k1").await["status"], "in_flight");
    rig.model.release();
    let ending = client.ending("k1").await;
    assert_eq!(text_of(&ending["message"]), "echo: first [#1] [[hold]]");
    no_more_endings(&mut client, &["k1"]).await;
    service.stop();
}

// Both frames are there before anything is known of the run. One with a picture takes longer to come
// in: that is a file first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_in_the_same_breath_is_stopped() {
    let rig = Rig::seeing();
    let service = rig.start();
    let mut client = client(&service).await;
    let picture = json!([{"content": "data:image/png;base64,iVBORw0KGgo="}]);
    for number in 0..24 {
        let key = format!("k{number}");
        let mut send = message("main", &format!("never mind [#{number}] [[hold]]"), &key);
        if number % 2 == 0 {
            send["attachments"] = picture.clone();
        }
        let stop = match number % 3 {
            0 => ("sessions.abort", json!({"runId": key})),
            1 => ("chat.abort", json!({"sessionKey": "main"})),
            _ => ("chat.abort", json!({"sessionKey": "main", "runId": key})),
        };
        let [begun, stopped] = client.ask_both(("chat.send", send), stop).await;
        assert_eq!(client.answer(&begun).await.unwrap()["status"], "started");
        let stopped = client.answer(&stopped).await.unwrap();
        let by_run = json!([stopped["abortedRunId"]]);
        let runs = if number % 3 == 0 { &by_run } else { &stopped["runIds"] };
        assert_eq!(*runs, json!([key]), "{stopped}");
        assert_eq!(client.ending(&key).await["state"], "aborted");
    }
    let stopped = abort(&mut client, Some("nobody")).await;
    assert_eq!(stopped["aborted"], false);
    assert_eq!(count(&client.history("main").await, "assistant", "echo"), 0);
    service.stop();
}
