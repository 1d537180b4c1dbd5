//! Changes of one session that are asked for at once.

use serde_json::{Value, json};

use super::client::{Client, serve};
use super::kit::Home;

const KEY: &str = "agent:main:shared";

const CONFIG: &str = "{
    models: {providers: {mock: {baseUrl: 'http://127.0.0.1:9/v1', apiKey: 'k',
        models: [{id: 'm'}, {id: 'n'}]}}},
    agents: {defaults: {model: 'mock/m'}},
}";

/// Asks for all of it before any is answered.
async fn at_once(client: &mut Client, calls: &[(&str, Value)]) {
    let mut asked = Vec::new();
    for (method, params) in calls {
        asked.push(client.ask(method, params).await);
    }
    for _ in &asked {
        let answer = client.next_answer().await;
        assert_eq!(answer["ok"], true, "{answer}");
    }
}

async fn row(client: &mut Client) -> Value {
    let shown = client.call("sessions.describe", &json!({"key": KEY})).await.unwrap();
    shown["session"].clone()
}

#[tokio::test]
async fn no_change_is_lost_to_another() {
    let home = Home::new();
    let (service, port) = serve(&home, CONFIG);
    let mut client = Client::operator(port, "ui", "a").await;
    for round in 0..5 {
        client.call("sessions.create", &json!({"key": KEY})).await.unwrap();
        let label = format!("round {round}");
        let calls = [
            ("sessions.patch", json!({"key": KEY, "label": label})),
            ("sessions.patch", json!({"key": KEY, "pinned": true})),
            ("sessions.patch", json!({"key": KEY, "archived": true})),
        ];
        at_once(&mut client, &calls).await;
        let shown = row(&mut client).await;
        assert_eq!((&shown["label"], &shown["pinned"]), (&json!(label), &json!(true)), "{shown}");
        assert_eq!(shown["archived"], true, "{shown}");

        // A session that is begun anew stays so, whatever else is changed.
        let before = shown["sessionId"].clone();
        let later = format!("later {round}");
        let calls = [
            ("sessions.reset", json!({"key": KEY})),
            ("sessions.patch", json!({"key": KEY, "label": later})),
            ("sessions.patch", json!({"key": KEY, "pinned": false})),
        ];
        at_once(&mut client, &calls).await;
        let shown = row(&mut client).await;
        assert_ne!(shown["sessionId"], before, "{shown}");
        assert_eq!(shown["label"], later, "{shown}");

        // And one that is removed leaves no label behind.
        let gone = json!({"key": KEY});
        let asked = client.ask("sessions.delete", &gone).await;
        client.ask("sessions.patch", &json!({"key": KEY, "label": "late"})).await;
        for _ in 0..2 {
            let answer = client.next_answer().await;
            assert_eq!(answer["ok"], answer["id"] == asked, "{answer}");
        }
        let made = client.call("sessions.create", &json!({"key": KEY})).await.unwrap();
        assert_eq!(made["entry"]["label"], Value::Null, "{made}");
    }
    service.stop();
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing() {
    let home = Home::new();
    let (service, port) = serve(&home, CONFIG);
    let mut client = Client::operator(port, "ui", "a").await;
    let made = client.call("sessions.create", &json!({"key": KEY})).await.unwrap();
    let id = made["sessionId"].clone();
    let long = "x".repeat(600);
    for refused in [
        json!({"key": KEY, "model": "mock/n", "label": long}),
        json!({"key": KEY, "model": "mock/n", "expectedSessionId": "another"}),
        json!({"key": KEY, "model": "nowhere/n", "pinned": true}),
        json!({"key": "agent:main:nobody", "model": "mock/n"}),
    ] {
        assert!(client.call("sessions.patch", &refused).await.is_err(), "{refused}");
    }
    let made = client.call("sessions.create", &json!({"key": "agent:main:nobody"})).await.unwrap();
    assert_ne!(made["entry"]["model"], "n", "{made}");
    let kept = client.call("sessions.patch", &json!({"key": KEY})).await.unwrap();
    assert_eq!(kept["entry"]["pinned"], made["entry"]["pinned"], "{kept}");
    assert_ne!(kept["resolved"]["model"], "n", "{kept}");
    let both = json!({"key": KEY, "model": "mock/n", "label": "b", "expectedSessionId": id});
    let changed = client.call("sessions.patch", &both).await.unwrap();
    assert_eq!(changed["resolved"]["model"], "n", "{changed}");
    assert_eq!(changed["entry"]["label"], "b");
    let wrong = json!({"key": KEY, "expectedSessionId": "another"});
    assert!(client.call("sessions.delete", &wrong).await.is_err());
    assert_eq!(row(&mut client).await["label"], "b");
    service.stop();
}

#[tokio::test]
async fn a_session_is_made_once_for_each_key() {
    let home = Home::new();
    let (service, port) = serve(&home, CONFIG);
    let mut client = Client::operator(port, "ui", "a").await;
    let wish = json!({"idempotencyKey": "k", "label": "mine", "model": "mock/n"});
    let first = client.call("sessions.create", &wish).await.unwrap();
    assert_eq!((&first["entry"]["label"], &first["entry"]["model"]), (&json!("mine"), &json!("n")));
    let key = first["key"].clone();
    let renamed = json!({"key": key, "label": "renamed since"});
    client.call("sessions.patch", &renamed).await.unwrap();
    let again = client.call("sessions.create", &wish).await.unwrap();
    assert_eq!((&again["key"], &again["sessionId"]), (&key, &first["sessionId"]));
    assert_eq!(again["entry"]["label"], "renamed since", "a repeat changes nothing");
    service.kill();
    let (service, port) = serve(&home, CONFIG);
    let mut client = Client::operator(port, "ui", "a").await;
    assert_eq!(client.call("sessions.create", &wish).await.unwrap()["key"], key);
    let mut other = Client::operator(port, "ui", "b").await;
    assert_ne!(other.call("sessions.create", &wish).await.unwrap()["key"], key, "another client's");
    let unnamed = client.call("sessions.create", &json!({})).await.unwrap();
    assert_ne!(unnamed["key"], key);
    service.stop();
}
