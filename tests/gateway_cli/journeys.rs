//! Journeys over the gateway: told to the connection that asked, and to no other.

use std::time::Duration;

use serde_json::{Value, json};
use telson::gateway_client::{Address, GatewayClient};
use tokio::time::timeout;

use crate::scene::Scene;

/// How long the next event may take.
const EVENT_MAX: Duration = Duration::from_secs(40);

async fn client(scene: &Scene) -> GatewayClient {
    let (_, document) = scene.home.ask_json(&["dashboard"]);
    let (page, token) = document["url"].as_str().unwrap().split_once("#token=").unwrap();
    let address: Address = page.parse().unwrap();
    GatewayClient::connect(&address, Some(token)).await.unwrap()
}

/// The steps of the next message, until its answer is out; ticks are not told.
async fn steps(client: &mut GatewayClient) -> Vec<String> {
    let mut steps = Vec::new();
    while steps.last().is_none_or(|step| step != "delivered") {
        let (name, payload) = timeout(EVENT_MAX, client.event()).await.unwrap().unwrap();
        if name == "telson.journey" {
            assert!(payload["at"].is_i64(), "{payload}");
            steps.push(payload["event"].as_str().unwrap().to_owned());
        }
    }
    steps
}

#[tokio::test]
async fn whoever_asks_is_told_each_step_and_nobody_else_is() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let mut watching = client(&scene).await;
    let mut other = client(&scene).await;
    let asked = watching.call("telson.journey.subscribe", json!({})).await.unwrap();
    assert_eq!(asked, json!({"subscribed": true}));
    scene.say(&anna, "[#1]");
    let expected = ["admitted", "turn_started", "answered", "sending", "delivered"];
    assert_eq!(steps(&mut watching).await, expected);
    // What else came to the other connection came before this answer.
    other.call("health", json!({})).await.unwrap();
    let heard = timeout(Duration::from_millis(200), async {
        loop {
            let (name, _) = other.event().await.unwrap();
            assert_ne!(name, "telson.journey");
        }
    });
    let nothing: Result<Value, _> = heard.await;
    assert!(nothing.is_err());

    watching.call("telson.journey.unsubscribe", json!({})).await.unwrap();
    watching.call("telson.journey.subscribe", json!({})).await.unwrap();
    scene.say(&anna, "[#2]");
    assert_eq!(steps(&mut watching).await, expected);
    service.stop();
}

#[tokio::test]
async fn a_watcher_is_told_that_the_service_ends() {
    let scene = Scene::new();
    let service = scene.start();
    let mut client = client(&scene).await;
    let stopping = tokio::task::spawn_blocking(move || service.stop());
    let end = timeout(EVENT_MAX, async {
        loop {
            match client.event().await {
                Ok((name, _)) if name == "shutdown" => {}
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
    });
    let end = end.await.unwrap();
    assert!(end.contains("is lost: service restart"), "{end}");
    stopping.await.unwrap();
}
