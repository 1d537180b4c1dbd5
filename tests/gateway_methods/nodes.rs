//! A node does what a person has allowed, and nothing else.

use serde_json::{Value, json};

use super::client::{Client, device, serve};
use super::kit::Home;

/// The instance of the node of these tests.
const NODE: &str = "the-node";

/// What it is known by.
fn id() -> String {
    device(NODE).id()
}

const CONFIG: &str = "{gateway: {nodes: {commands: {deny: ['camera.film']}}}}";

async fn node(port: u16, commands: &[&str]) -> Client {
    let more = json!({"role": "node", "scopes": [], "caps": ["camera"], "commands": commands});
    Client::connect(port, "node", NODE, &more).await
}

fn invoke(command: &str, key: &str) -> Value {
    json!({"nodeId": id(), "command": command, "params": {"x": 1}, "idempotencyKey": key})
}

#[tokio::test]
async fn a_node_is_asked_what_is_allowed() {
    let home = Home::new();
    let (service, port) = serve(&home, CONFIG);
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = node(port, &["camera.snap", "camera.film"]).await;
    assert_eq!(node.hello["auth"]["role"], "node");
    let request = person.event("node.pair.requested", |it| it["nodeId"] == id()).await;

    let refused = person.call("node.invoke", &invoke("camera.snap", "a")).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("not allowed"), "{refused}");
    let approve = json!({"requestId": request["requestId"]});
    person.call("node.pair.approve", &approve).await.unwrap();
    let list = person.call("node.pair.list", &json!({})).await.unwrap();
    assert_eq!((&list["pending"], &list["paired"][0]["nodeId"]), (&json!([]), &json!(id())));

    let asked = person.ask("node.invoke", &invoke("camera.snap", "b")).await;
    let call = node.event("node.invoke.request", |_| true).await;
    assert_eq!(
        (&call["command"], &call["paramsJSON"]),
        (&json!("camera.snap"), &json!("{\"x\":1}"))
    );
    let answer = json!({"id": call["id"], "nodeId": id(), "ok": true,
        "payloadJSON": "{\"picture\":\"p\"}"});
    assert_eq!(node.call("node.invoke.result", &answer).await.unwrap(), json!({"ok": true}));
    let got = person.answer(&asked).await.unwrap();
    assert_eq!(got["payload"]["picture"], "p");
    // Said again, it is heard by nobody.
    assert_eq!(node.call("node.invoke.result", &answer).await.unwrap()["ignored"], true);

    let denied = person.call("node.invoke", &invoke("camera.film", "c")).await.unwrap_err();
    assert!(denied["message"].as_str().unwrap().contains("deny"), "{denied}");
    let forbidden = node.call("sessions.list", &json!({})).await.unwrap_err();
    let why = forbidden["message"].as_str().unwrap();
    assert!(why.contains("unauthorized role"), "a node only answers: {why}");
    let other = json!({"id": "x", "nodeId": "somebody", "ok": true});
    assert!(node.call("node.invoke.result", &other).await.is_err());
    service.stop();
}

#[tokio::test]
async fn a_node_that_is_removed_is_allowed_nothing_when_it_comes_back() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut first = node(port, &["system.run"]).await;
    let request = person.event("node.pair.requested", |_| true).await;
    person.call("node.pair.approve", &json!({"requestId": request["requestId"]})).await.unwrap();
    let waiting = person.ask("node.invoke", &invoke("system.run", "a")).await;
    first.event("node.invoke.request", |_| true).await;
    person.ask("device.pair.remove", &json!({"deviceId": id()})).await;
    for _ in 0..2 {
        let answer = person.next_answer().await;
        let ended = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(ended.contains("removed"), answer["id"] == waiting, "{answer}");
    }
    drop(first);
    let list = person.call("node.list", &json!({})).await.unwrap();
    assert_eq!(list["nodes"], json!([]), "{list}");
    let list = person.call("node.pair.list", &json!({})).await.unwrap();
    assert_eq!((&list["paired"], &list["pending"]), (&json!([]), &json!([])), "{list}");
    service.kill();

    // It is let in as anybody on this machine is, and asks anew for what it offers.
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let _again = node(port, &["system.run"]).await;
    person.event("node.pair.requested", |it| it["nodeId"] == id()).await;
    let refused = person.call("node.invoke", &invoke("system.run", "b")).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("not allowed"), "{refused}");
    service.stop();
}

// L1: a client whose calls wait for others is heard all the same.
#[tokio::test]
async fn calls_that_wait_keep_their_client_from_nothing() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = node(port, &["camera.snap"]).await;
    let request = person.event("node.pair.requested", |_| true).await;
    person.call("node.pair.approve", &json!({"requestId": request["requestId"]})).await.unwrap();
    let mut waiting = std::collections::BTreeSet::new();
    for number in 0..100 {
        let asked = invoke("camera.snap", &format!("k-{number}"));
        waiting.insert(person.ask("node.invoke", &asked).await);
    }
    let asked = person.ask("health", &json!({})).await;
    assert_eq!(person.next_answer().await["id"], asked, "before any of those");
    for _ in 0..100 {
        let call = node.event("node.invoke.request", |_| true).await;
        let answer = json!({"id": call["id"], "nodeId": id(), "ok": true, "payload": {}});
        node.call("node.invoke.result", &answer).await.unwrap();
    }
    while !waiting.is_empty() {
        let answer = person.next_answer().await;
        assert_eq!(answer["ok"], true, "{answer}");
        assert!(waiting.remove(answer["id"].as_str().unwrap()), "{answer}");
    }
    service.stop();
}

// A node runs programs: whoever asks again, because he did not hear the answer, must not run them
// twice.
#[tokio::test]
async fn a_node_is_asked_once_for_each_key() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut first = node(port, &["system.run"]).await;
    let request = person.event("node.pair.requested", |_| true).await;
    person.call("node.pair.approve", &json!({"requestId": request["requestId"]})).await.unwrap();
    // His connection breaks before the node has answered.
    person.ask("node.invoke", &invoke("system.run", "k")).await;
    let asked = first.event("node.invoke.request", |_| true).await;
    drop(person);
    let mut person = Client::operator(port, "ui", "person").await;
    let again = person.ask("node.invoke", &invoke("system.run", "k")).await;
    person.call("health", &json!({})).await.unwrap();
    let result = json!({"id": asked["id"], "nodeId": id(), "ok": true, "payload": {"exit": 0}});
    first.call("node.invoke.result", &result).await.unwrap();
    let got = person.answer(&again).await.unwrap();
    assert_eq!(got["payload"]["exit"], 0, "{got}");
    assert_eq!(person.call("node.invoke", &invoke("system.run", "k")).await.unwrap(), got);
    let other = person.call("node.invoke", &invoke("system.runX", "k")).await.unwrap_err();
    assert_eq!(other["code"], "INVALID_REQUEST", "{other}");

    // One that a life has left open is not made again, and its caller is told so.
    person.ask("node.invoke", &invoke("system.run", "open")).await;
    first.event("node.invoke.request", |_| true).await;
    service.kill();
    let (service, port) = serve(&home, "{}");
    let mut second = node(port, &["system.run"]).await;
    let mut person = Client::operator(port, "ui", "person").await;
    let lost = person.call("node.invoke", &invoke("system.run", "open")).await.unwrap_err();
    assert_eq!(lost["details"]["code"], "OUTCOME_UNKNOWN", "{lost}");
    assert_ne!(lost["retryable"], true, "{lost}");
    assert_eq!(person.call("node.invoke", &invoke("system.run", "k")).await.unwrap(), got);
    // The first it is asked in this life is something else.
    let fresh = person.ask("node.invoke", &invoke("system.run", "fresh")).await;
    let asked = second.event("node.invoke.request", |_| true).await;
    assert_eq!(asked["idempotencyKey"], "fresh", "{asked}");
    let result = json!({"id": asked["id"], "nodeId": id(), "ok": false,
        "error": {"code": "NO", "message": "not here"}});
    second.call("node.invoke.result", &result).await.unwrap();
    let failed = person.answer(&fresh).await.unwrap_err();
    assert_eq!(failed["details"]["nodeError"]["code"], "NO", "{failed}");
    let again = person.call("node.invoke", &invoke("system.run", "fresh")).await.unwrap_err();
    assert_eq!(again, failed);
    // A node that is away was not asked: the key is free.
    drop(second);
    let away = person.call("node.invoke", &invoke("system.run", "later")).await.unwrap_err();
    let key = if away["details"]["code"] == "NOT_CONNECTED" {
        "later"
    } else {
        // It was still taken for connected: nobody knows what became of that one.
        assert!(away["message"].as_str().unwrap().contains("disconnected"), "{away}");
        "even later"
    };
    let mut third = node(port, &["system.run"]).await;
    person.ask("node.invoke", &invoke("system.run", key)).await;
    let asked = third.event("node.invoke.request", |_| true).await;
    assert_eq!(asked["idempotencyKey"], key, "{asked}");
    service.stop();
}

#[tokio::test]
async fn what_is_allowed_outlives_a_restart_and_a_node_that_goes_is_noticed() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let first = node(port, &["camera.snap"]).await;
    let request = person.event("node.pair.requested", |_| true).await;
    person.call("node.pair.approve", &json!({"requestId": request["requestId"]})).await.unwrap();
    drop(first);
    service.kill();

    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let away = person.call("node.invoke", &invoke("camera.snap", "a")).await.unwrap_err();
    assert_eq!(away["details"]["code"], "NOT_CONNECTED");
    let mut node = node(port, &["camera.snap"]).await;
    let asked = person.ask("node.invoke", &invoke("camera.snap", "b")).await;
    node.event("node.invoke.request", |_| true).await;
    drop(node);
    let error = person.answer(&asked).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("disconnected"), "{error}");
    person.call("node.pair.remove", &json!({"nodeId": id()})).await.unwrap();
    let gone = person.call("node.describe", &json!({"nodeId": id()})).await;
    assert!(gone.is_err(), "{gone:?}");
    service.stop();
}
