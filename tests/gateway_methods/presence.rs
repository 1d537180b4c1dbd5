//! Who is connected is seen by everybody who may look.

use serde_json::json;

use super::client::{Client, serve};
use super::kit::Home;

#[tokio::test]
async fn whoever_comes_and_goes_is_seen() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut watcher = Client::operator(port, "ui", "watcher").await;
    let shown = watcher.call("system-presence", &json!({})).await.unwrap();
    assert_eq!(shown[0]["mode"], "gateway");
    let has = |list: &serde_json::Value, id: &str| {
        list.as_array().unwrap().iter().find(|it| it["instanceId"] == id).cloned()
    };
    let own = has(&shown, "watcher").unwrap();
    assert_eq!(own["reason"], "connect");
    assert!(own.get("ip").is_none(), "an address of this machine says nothing: {own}");

    let narrow = json!({"role": "operator", "scopes": ["operator.pairing"]});
    let mut narrow = Client::connect(port, "ui", "narrow", &narrow).await;
    let guest = Client::operator(port, "webchat", "guest").await;
    // Whatever it may do else, it was told the same with its greeting.
    narrow.event("presence", |it| has(&it["presence"], "guest").is_some()).await;
    let told = guest.hello["snapshot"]["presence"].clone();
    assert!(has(&told, "watcher").is_some(), "a newcomer is told who is there");
    watcher.event("presence", |it| has(&it["presence"], "guest").is_some()).await;
    drop(guest);
    let is_gone = |it: &serde_json::Value| {
        has(&it["presence"], "guest").is_some_and(|guest| guest["reason"] == "disconnect")
    };
    watcher.event("presence", is_gone).await;

    // A command line comes for one question.
    let mut short = Client::operator(port, "cli", "short").await;
    let shown = short.call("system-presence", &json!({})).await.unwrap();
    assert!(has(&shown, "short").is_none());
    service.stop();
}

#[tokio::test]
async fn whoever_is_let_in_is_told_who_is_there() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let nothing = json!({"role": "operator", "scopes": []});
    let mut bare = Client::connect(port, "ui", "bare", &nothing).await;
    let is_there = |it: &serde_json::Value| {
        it["presence"].as_array().unwrap().iter().any(|it| it["instanceId"] == "guest")
    };
    let _guest = Client::operator(port, "webchat", "guest").await;
    bare.event("presence", is_there).await;
    assert!(bare.call("system-presence", &json!({})).await.is_err(), "and asks for nothing");
    service.stop();
}

#[tokio::test]
async fn a_gateway_has_one_identity() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "cli", "a").await;
    let first = client.call("gateway.identity.get", &json!({})).await.unwrap();
    assert_eq!(first["deviceId"].as_str().unwrap().len(), 64);
    service.stop();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "cli", "a").await;
    assert_eq!(client.call("gateway.identity.get", &json!({})).await.unwrap(), first);
    service.stop();
}
