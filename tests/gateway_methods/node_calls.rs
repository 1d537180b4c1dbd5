//! Calls of nodes that are repeated, and those that run when the service begins anew.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, device, serve};
use super::kit::{Home, until};
use super::wire::Wire;

/// The instance of the node of these tests.
const NODE: &str = "the-busy-node";

fn id() -> String {
    device(NODE).id()
}

/// A node that may run programs, once a person has allowed it.
async fn allowed_node(port: u16, person: &mut Client) -> Client {
    let more = json!({"role": "node", "scopes": [], "caps": [], "commands": ["system.run"]});
    let node = Client::connect(port, "node", NODE, &more).await;
    let request = person.event("node.pair.requested", |it| it["nodeId"] == id()).await;
    person.call("node.pair.approve", &json!({"requestId": request["requestId"]})).await.unwrap();
    node
}

fn invoke(key: &str) -> Value {
    json!({"nodeId": id(), "command": "system.run", "params": {"x": 1}, "idempotencyKey": key})
}

async fn says(node: &mut Client, asked: &Value, payload: Value) {
    let result = json!({"id": asked["id"], "nodeId": id(), "ok": true, "payload": payload});
    node.call("node.invoke.result", &result).await.unwrap();
}

// Whoever asks again may do so before the first is written, before it is sent, or after: a client
// whose connections break asks over each new one.
#[tokio::test]
async fn everybody_who_repeats_a_call_at_once_hears_its_end() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut people =
        [Client::operator(port, "ui", "person").await, Client::operator(port, "ui", "other").await];
    let mut node = allowed_node(port, &mut people[0]).await;
    let keys = 0..40;
    let mut waiting: [BTreeMap<String, String>; 2] = Default::default();
    for key in keys.clone().map(|number| format!("k-{number}")) {
        for round in 0..4 {
            let who = round % 2;
            let call = people[who].ask("node.invoke", &invoke(&key)).await;
            waiting[who].insert(call, key.clone());
        }
    }
    for _ in keys {
        let asked = node.event("node.invoke.request", |_| true).await;
        says(&mut node, &asked, json!({"of": asked["idempotencyKey"]})).await;
    }
    for (person, mut waiting) in people.iter_mut().zip(waiting) {
        while !waiting.is_empty() {
            let answer = person.next_answer().await;
            assert_eq!(answer["ok"], true, "{answer}");
            let key = waiting.remove(answer["id"].as_str().unwrap()).unwrap();
            assert_eq!(answer["payload"]["payload"]["of"], json!(key), "{answer}");
        }
    }
    // And none of them was made twice.
    people[0].ask("node.invoke", &invoke("the last")).await;
    let asked = node.event("node.invoke.request", |_| true).await;
    assert_eq!(asked["idempotencyKey"], "the last", "{asked}");
    service.stop();
}

#[tokio::test]
async fn everybody_who_repeats_a_call_to_a_node_that_is_away_is_told_so() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    drop(allowed_node(port, &mut person).await);
    until("the node has gone", || {
        let mut wire = Wire::connect(&home.socket())?;
        let list = wire.call("node.list", &json!({})).ok()?;
        (list["nodes"][0]["connected"] == false).then_some(())
    });
    let mut waiting = Vec::new();
    for number in 0..60 {
        waiting.push(person.ask("node.invoke", &invoke(&format!("k-{}", number / 3))).await);
    }
    for _ in &waiting {
        let answer = person.next_answer().await;
        assert_eq!(answer["error"]["details"]["code"], "NOT_CONNECTED", "{answer}");
    }
    service.stop();
}

fn done(home: &Home) -> Option<u64> {
    let mut wire = Wire::connect(&home.socket())?;
    let stability = wire.call("diagnostics.stability", &json!({})).ok()?;
    stability["lives"]["restartsAskedFor"].as_u64()
}

/// The service is there for longer than one that waits for nothing.
async fn stays(person: &mut Client) {
    for _ in 0..30 {
        person.call("health", &json!({})).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn a_restart_waits_for_what_nodes_are_asked() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = allowed_node(port, &mut person).await;
    let calling = person.ask("node.invoke", &invoke("k")).await;
    let asked = node.event("node.invoke.request", |_| true).await;
    // Also for one whose asker has left: he asks again afterwards.
    let mut other = Client::operator(port, "ui", "other").await;
    other.ask("node.invoke", &invoke("left")).await;
    let left = node.event("node.invoke.request", |_| true).await;
    drop(other);

    let preflight = person.call("gateway.restart.preflight", &json!({})).await.unwrap();
    assert_eq!(preflight["safe"], false, "{preflight}");
    assert_eq!(preflight["counts"]["runningCalls"], 2, "{preflight}");
    let answer = person.call("gateway.restart.request", &json!({})).await.unwrap();
    assert_eq!(answer["status"], "deferred", "{answer}");
    until("it waits", || {
        let mut wire = Wire::connect(&home.socket())?;
        let status = wire.call("status", &json!({})).ok()?;
        (status["state"] == "draining").then_some(())
    });
    stays(&mut person).await;
    says(&mut node, &asked, json!({"exit": 0})).await;
    let got = person.answer(&calling).await.unwrap();
    assert_eq!(got["payload"]["exit"], 0, "{got}");
    stays(&mut person).await;
    assert_eq!(done(&home), Some(0), "there is another call");
    says(&mut node, &left, json!({"exit": 1})).await;
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    let mut person = Client::operator(port, "ui", "person").await;
    assert_eq!(person.call("node.invoke", &invoke("k")).await.unwrap(), got);
    let got = person.call("node.invoke", &invoke("left")).await.unwrap();
    assert_eq!(got["payload"]["exit"], 1, "{got}");
    service.stop();
}

// A node that does not answer within the time it was given is waited for by nobody.
#[tokio::test]
async fn a_restart_does_not_wait_for_a_call_whose_time_is_over() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = allowed_node(port, &mut person).await;
    let short = json!({"nodeId": id(), "command": "system.run", "idempotencyKey": "k",
        "timeoutMs": 100});
    let error = person.call("node.invoke", &short).await.unwrap_err();
    assert_eq!(error["details"]["code"], "TIMEOUT", "{error}");
    node.event("node.invoke.request", |_| true).await;
    let preflight = person.call("gateway.restart.preflight", &json!({})).await.unwrap();
    assert_eq!(preflight["safe"], true, "{preflight}");
    service.stop();
}

// Whoever asked may have left: the node works on all the same.
#[tokio::test]
async fn a_suspension_waits_for_what_nodes_are_asked_and_hears_what_they_say_afterwards() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = allowed_node(port, &mut person).await;
    let mut other = Client::operator(port, "ui", "other").await;
    other.ask("node.invoke", &invoke("left")).await;
    let left = node.event("node.invoke.request", |_| true).await;
    drop(other);
    let wish = json!({"requestId": "op", "drain": true});
    let lease = person.call("gateway.suspend.prepare", &wish).await.unwrap();
    let named = json!({"suspensionId": lease["suspensionId"]});
    // At first it may be the request of who leaves that is waited for.
    stays(&mut person).await;
    let now = person.call("gateway.suspend.status", &named).await.unwrap();
    let blockers = now["blockers"].as_array().unwrap();
    assert_eq!((&now["status"], blockers.len()), (&json!("draining"), 1), "{now}");
    assert_eq!((&blockers[0]["kind"], &blockers[0]["count"]), (&json!("call"), &json!(1)), "{now}");
    says(&mut node, &left, json!({"exit": 1})).await;
    quiet(&mut person, &named).await;
    person.call("gateway.suspend.resume", &named).await.unwrap();

    // One that nobody waits for any more is answered while all is quiet.
    let mut late = invoke("late");
    late["timeoutMs"] = json!(100);
    let error = person.call("node.invoke", &late).await.unwrap_err();
    assert_eq!(error["details"]["code"], "TIMEOUT", "{error}");
    let asked = node.event("node.invoke.request", |_| true).await;
    let wish = json!({"requestId": "again", "drain": true});
    let lease = person.call("gateway.suspend.prepare", &wish).await.unwrap();
    let named = json!({"suspensionId": lease["suspensionId"]});
    quiet(&mut person, &named).await;
    says(&mut node, &asked, json!({"exit": 2})).await;
    person.call("gateway.suspend.resume", &named).await.unwrap();
    for (key, exit) in [("left", 1), ("late", 2)] {
        let got = person.call("node.invoke", &invoke(key)).await.unwrap();
        assert_eq!(got["payload"]["exit"], exit, "{got}");
    }
    service.stop();
}

/// Waits until nothing is under way.
async fn quiet(person: &mut Client, named: &Value) {
    for _ in 0..400 {
        if person.call("gateway.suspend.status", named).await.unwrap()["status"] == "ready" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never becomes quiet");
}
