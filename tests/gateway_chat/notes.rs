//! Notes of webhooks, where the agent has somebody to tell.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::kit::{Process, until};
use crate::rig::{TOKEN, port};
use crate::scene::Scene;

const HOOK_TOKEN: &str = "a-token-for-webhooks";

/// What a webhook is answered.
fn post(service: &Process, name: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", port(service))).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /hooks/{name} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
         authorization: Bearer {HOOK_TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

// Its main session has spoken to nobody: people have sessions of their own.
#[test]
fn a_note_that_wakes_an_agent_is_answered_to_its_owner_and_last_is_nobody() {
    let scene = Scene::with(&json!({"dmPolicy": "allowlist", "allowFrom": ["+15550100001"]}), &[]);
    let path = scene.home.state_dir().join("telson.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN});
    config["session"] = json!({"dmScope": "per-channel-peer"});
    scene.home.configure(&config.to_string());
    scene.home.set_env("TELSON_GATEWAY_TOKEN", Path::new(TOKEN));
    let owner = scene.friend("+15550100001");
    let service = scene.start();
    let told = post(&service, "agent", &json!({"message": "hear [#1]", "channel": "last"}));
    assert_eq!(told["notApplied"], json!(["channel"]), "{told}");
    let told = post(&service, "wake", &json!({"text": "the door is open [#2]"}));
    assert_eq!((&told["sessionKey"], &told["waits"]), (&json!("agent:main:main"), &Value::Null));
    until("the owner is told", || (!scene.texts_to(&owner).is_empty()).then_some(()));
    service.idle();
    let texts = scene.texts_to(&owner);
    assert!(texts.len() == 1 && texts[0].contains("[#2]"), "{texts:?}");
    // Now there is a last place.
    let told = post(&service, "agent", &json!({"message": "hear [#3]", "channel": "last"}));
    assert_eq!(told["notApplied"], json!([]), "{told}");
    until("the owner is told", || (scene.texts_to(&owner).len() == 2).then_some(()));
    service.stop();
}
