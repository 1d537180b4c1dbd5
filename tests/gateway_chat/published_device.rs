//! The reference client with a device of its own, and the list of sessions.

use serde_json::{Value, json};

use crate::published::{Published, talks};
use crate::rig::{Rig, TOKEN, url};

/// A device signs the challenge, is paired on this machine without a question, and comes back with
/// the token it was given.
#[test]
fn the_published_client_talks_as_a_device() {
    let rig = Rig::new();
    let service = rig.start();
    let device =
        json!({"token": TOKEN, "device": true, "mode": "ui", "clientName": "openclaw-tui"});
    let mut client = Published::connect(&url(&service), &device);
    let hello = client.hello();
    assert!(hello["auth"]["deviceToken"].is_string(), "{}", hello["auth"]);
    talks(&mut client, &rig);
    service.stop();
}

#[test]
fn the_published_client_lists_sessions() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = Published::connect(&url(&service), &json!({"token": TOKEN}));
    client.hello();
    let send = json!({"sessionKey": "main", "message": "hello [#1]", "idempotencyKey": "k1"});
    client.call("chat.send", &send);
    client.run("k1");
    let list = client.call("sessions.list", &json!({}));
    let keys: Vec<&Value> =
        list["sessions"].as_array().unwrap().iter().map(|session| &session["key"]).collect();
    assert_eq!(keys, ["agent:main:main"]);
    service.stop();
}
