//! What waits for a node that is away, or not in front; and what a node says before it is done.

use serde_json::{Value, json};

use super::any_params::check;
use super::client::{Client, device, serve};
use super::kit::Home;

/// The instance of the node of these tests.
const NODE: &str = "the-phone";

fn id() -> String {
    device(NODE).id()
}

/// A phone that offers these commands.
async fn phone(port: u16, commands: &[&str]) -> Client {
    let client = json!({"id": "node-host", "version": "1", "platform": "iOS 26.1", "mode": "node",
        "instanceId": NODE});
    let more = json!({"role": "node", "scopes": [], "caps": [], "commands": commands,
        "client": client});
    Client::connect(port, "node", NODE, &more).await
}

async fn allowed_phone(port: u16, person: &mut Client) -> Client {
    let node = phone(port, &["camera.snap"]).await;
    let request = person.event("node.pair.requested", |it| it["nodeId"] == id()).await;
    person.call("node.pair.approve", &json!({"requestId": request["requestId"]})).await.unwrap();
    node
}

fn invoke(key: &str) -> Value {
    json!({"nodeId": id(), "command": "camera.snap", "params": {"x": 1}, "idempotencyKey": key})
}

/// A good answer, as it was on the wire.
fn frame(method: &str, payload: &Value) -> Value {
    json!({"method": method,
        "frame": {"type": "res", "id": "1", "ok": true, "payload": payload}})
}

#[tokio::test]
async fn what_is_wanted_of_a_node_that_is_away_is_handed_over_once_when_it_comes() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let wanted = |kind: &str| json!({"nodeId": id(), "type": kind});
    let unknown = person.call("node.pending.enqueue", &wanted("status.request")).await;
    assert!(unknown.unwrap_err()["message"].as_str().unwrap().contains("nodeId"));
    drop(phone(port, &[]).await);
    let mut seen = Vec::new();
    let status = person.call("node.pending.enqueue", &wanted("status.request")).await.unwrap();
    seen.push(frame("node.pending.enqueue", &status));
    let mut urgent = wanted("location.request");
    (urgent["priority"], urgent["wake"]) = (json!("high"), json!(true));
    let place = person.call("node.pending.enqueue", &urgent).await.unwrap();
    seen.push(frame("node.pending.enqueue", &place));
    assert_eq!(
        (&place["queued"]["priority"], &place["wakeTriggered"]),
        (&json!("high"), &json!(false))
    );
    let again = person.call("node.pending.enqueue", &wanted("status.request")).await.unwrap();
    assert_eq!(again["queued"], status["queued"], "it is wanted already");
    assert_eq!(again["revision"], place["revision"]);
    for (key, value) in [("expiresInMs", json!(999)), ("expiresInMs", json!(86_400_001))] {
        let mut wrong = wanted("status.request");
        wrong[key] = value;
        let error = person.call("node.pending.enqueue", &wrong).await.unwrap_err();
        assert!(error["message"].as_str().unwrap().contains(key), "{error}");
    }
    service.kill();

    let (service, port) = serve(&home, "{}");
    let mut node = phone(port, &[]).await;
    let first = node.call("node.pending.drain", &json!({"maxItems": 1})).await.unwrap();
    assert_eq!((&first["items"], &first["hasMore"]), (&json!([place["queued"]]), &json!(true)));
    let second = node.call("node.pending.drain", &json!({})).await.unwrap();
    assert_eq!((&second["items"], &second["hasMore"]), (&json!([status["queued"]]), &json!(false)));
    service.kill();

    // What was handed over is gone; how it is every node is asked that looks.
    let (service, port) = serve(&home, "{}");
    let mut node = phone(port, &[]).await;
    let third = node.call("node.pending.drain", &json!({"maxItems": 10})).await.unwrap();
    assert_eq!(third["items"].as_array().unwrap().len(), 1, "{third}");
    assert_eq!(third["items"][0]["priority"], "default", "{third}");
    for max in [0, 11] {
        node.call("node.pending.drain", &json!({"maxItems": max})).await.unwrap_err();
    }
    for payload in [&first, &second, &third] {
        seen.push(frame("node.pending.drain", payload));
    }
    check(&home, &seen);

    // A device that is removed takes along what waits for it.
    let mut person = Client::operator(port, "ui", "person").await;
    person.call("node.pending.enqueue", &urgent).await.unwrap();
    person.call("device.pair.remove", &json!({"deviceId": id()})).await.unwrap();
    let mut node = phone(port, &[]).await;
    let rest = node.call("node.pending.drain", &json!({})).await.unwrap();
    assert_eq!(rest["items"][0]["priority"], "default", "{rest}");
    service.stop();
}

/// Asks a phone that is not in front; what its asker is told.
async fn deferred(person: &mut Client, node: &mut Client, key: &str) -> Value {
    let calling = person.ask("node.invoke", &invoke(key)).await;
    let asked = node.event("node.invoke.request", |_| true).await;
    let result = json!({"id": asked["id"], "nodeId": id(), "ok": false,
        "error": {"code": "NODE_BACKGROUND_UNAVAILABLE", "message": "in front only"}});
    node.call("node.invoke.result", &result).await.unwrap();
    person.answer(&calling).await.unwrap_err()
}

#[tokio::test]
async fn what_a_phone_can_do_in_front_only_waits_until_it_takes_it_over() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = allowed_phone(port, &mut person).await;
    let told = deferred(&mut person, &mut node, "k").await;
    assert_eq!(told["details"]["code"], "QUEUED_UNTIL_FOREGROUND", "{told}");
    let action = told["details"]["queuedActionId"].clone();
    // Whoever asks again is told the same, and nothing more waits.
    assert_eq!(person.call("node.invoke", &invoke("k")).await.unwrap_err(), told);
    service.kill();

    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = phone(port, &["camera.snap"]).await;
    for _ in 0..2 {
        let pulled = node.call("node.pending.pull", &json!({})).await.unwrap();
        let waits = &pulled["actions"][0];
        assert_eq!(pulled["actions"].as_array().unwrap().len(), 1, "{pulled}");
        assert_eq!((&pulled["nodeId"], &waits["id"]), (&json!(id()), &action), "{pulled}");
        assert_eq!(waits["command"], "camera.snap", "{pulled}");
        assert_eq!(waits["paramsJSON"], "{\"x\":1}", "{pulled}");
        assert!(waits["enqueuedAtMs"].is_u64(), "{pulled}");
    }
    assert_eq!(person.call("node.invoke", &invoke("k")).await.unwrap_err(), told);
    node.call("node.pending.ack", &json!({"ids": []})).await.unwrap_err();
    let acked = node.call("node.pending.ack", &json!({"ids": [action, "nobody", action]})).await;
    let expected = json!({"nodeId": id(), "ackedIds": [action, "nobody"], "remainingCount": 0});
    assert_eq!(acked.unwrap(), expected);
    let pulled = node.call("node.pending.pull", &json!({})).await.unwrap();
    assert_eq!(pulled["actions"], json!([]));

    // What it may not be asked any more, it is not handed.
    let told = deferred(&mut person, &mut node, "later").await;
    assert_eq!(told["details"]["code"], "QUEUED_UNTIL_FOREGROUND", "{told}");
    let mut again = phone(port, &[]).await;
    let pulled = again.call("node.pending.pull", &json!({})).await.unwrap();
    assert_eq!(pulled["actions"], json!([]), "it offers that no more");
    // The connection before is not that of the node any more.
    let stale = node.call("node.pending.pull", &json!({})).await.unwrap_err();
    assert_eq!(stale["details"]["code"], "PAIRING_CHANGED", "{stale}");
    service.stop();
}

#[tokio::test]
async fn what_a_node_says_before_it_is_done_is_told_in_order() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut person = Client::operator(port, "ui", "person").await;
    let mut node = allowed_phone(port, &mut person).await;
    let calling = person.ask("node.invoke", &invoke("k")).await;
    let asked = node.event("node.invoke.request", |_| true).await;
    let says = |seq: u64, chunk: &str| json!({"invokeId": asked["id"], "nodeId": id(), "seq": seq, "chunk": chunk});
    for (seq, chunk, is_ignored) in
        [(1, "b", false), (0, "a", false), (0, "again", true), (2, "c", false)]
    {
        let heard = node.call("node.invoke.progress", &says(seq, chunk)).await.unwrap();
        assert_eq!(heard, json!({"ok": true, "ignored": is_ignored}), "{seq} {chunk}");
    }
    let long = "x".repeat(16 * 1024 + 1);
    let error = node.call("node.invoke.progress", &says(3, &long)).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("chunk"), "{error}");
    let mut other = says(3, "d");
    other["nodeId"] = json!("somebody");
    node.call("node.invoke.progress", &other).await.unwrap_err();
    for (seq, chunk) in ["a", "b", "c"].into_iter().enumerate() {
        let told = person.event("node.invoke.progress", |_| true).await;
        let expected = json!({"invokeId": asked["id"], "nodeId": id(), "seq": seq, "chunk": chunk,
            "idempotencyKey": "k"});
        assert_eq!(told, expected);
    }
    let result = json!({"id": asked["id"], "nodeId": id(), "ok": true, "payload": {"n": 1}});
    node.call("node.invoke.result", &result).await.unwrap();
    assert_eq!(person.answer(&calling).await.unwrap()["payload"]["n"], 1);
    let late = node.call("node.invoke.progress", &says(3, "d")).await.unwrap();
    assert_eq!(late["ignored"], true, "{late}");
    service.stop();
}
