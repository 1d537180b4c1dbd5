//! A key of a webhook stands for one text: the same one comes again as often as its sender likes,
//! and another one is refused, for to take it for a repeat would lose it.

use serde_json::{Value, json};

use super::kit::{Answer, HOOK_TOKEN, Scene, Service};
use super::wire::Wire;

fn scene() -> Scene {
    Scene::new(json!({"hooks": {"enabled": true, "token": HOOK_TOKEN}}))
}

fn send(service: &Service, name: &str, key: &str, mut body: Value) -> Answer {
    body["idempotencyKey"] = json!(key);
    service.hook(name, &[], &body)
}

fn taken(answer: &Answer, is_repeat: bool) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["duplicate"], is_repeat, "{told}");
    told
}

/// Refused, with words that name the key and say what to do.
fn refused(answer: &Answer, key: &str, why: &str) {
    assert_eq!(answer.status, 409, "{answer:?}");
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], "idempotency_key_reused", "{error}");
    let said = error["message"].as_str().unwrap();
    for part in [&format!("{key:?}"), why, "send it again under a key of its own"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn another_text_under_a_used_key_is_refused_and_the_same_one_is_a_repeat() {
    let scene = scene();
    let mut service = scene.start();
    let order = |text: &str| json!({"message": text});
    let first = taken(&send(&service, "agent", "k7", order("ORDER seven.")), false);
    for life in 0..2 {
        refused(&send(&service, "agent", "k7", order("ORDER eight.")), "k7", "another text");
        let again = taken(&send(&service, "agent", "k7", order("ORDER seven.")), true);
        assert_eq!(
            (&again["runId"], &again["sessionKey"]),
            (&first["runId"], &first["sessionKey"])
        );
        service.process.idle();
        if life == 0 {
            service.process.kill();
            service = scene.start();
        }
    }
    taken(&send(&service, "agent", "k8", order("ORDER eight.")), false);
    service.process.idle();
    assert_eq!((scene.model.asked("ORDER seven."), scene.model.asked("ORDER eight.")), (1, 1));
    service.process.stop();
}

#[test]
fn a_note_under_a_used_key_is_told_once_and_another_one_is_refused() {
    let scene = scene();
    let service = scene.start();
    let note = |text: &str, mode: &str| json!({"text": text, "mode": mode});
    let (now, later) = ("now", "next-heartbeat");
    let first = taken(&send(&service, "wake", "now", note("TOLD.", now)), false);
    assert!(first["runId"].is_string(), "{first}");
    let waits = taken(&send(&service, "wake", "later", note("KEPT.", later)), false);
    assert_eq!(waits["runId"], Value::Null);
    for mode in [now, later] {
        // However it is to be told by now.
        let again = taken(&send(&service, "wake", "now", note("TOLD.", mode)), true);
        assert_eq!(again["runId"], first["runId"], "{mode}: {again}");
        let again = taken(&send(&service, "wake", "later", note("KEPT.", mode)), true);
        assert_eq!(again["runId"], Value::Null, "{mode}: {again}");
        for key in [now, "later"] {
            refused(&send(&service, "wake", key, note("LOST.", mode)), key, "another text");
        }
    }
    let message = json!({"message": "KEPT."});
    refused(&send(&service, "agent", "later", message), "later", "a note that waits");
    service.process.idle();
    taken(&send(&service, "wake", "last", note("END.", now)), false);
    service.process.idle();
    assert_eq!(scene.model.asked("LOST."), 0);
    assert_eq!((scene.model.asked("TOLD."), scene.model.asked("KEPT.")), (1, 1), "once each");
    service.process.stop();
}

#[test]
fn an_event_under_a_used_key_is_refused_where_it_says_something_else() {
    let scene = scene();
    let service = scene.start();
    let mut wire = Wire::connect(&scene.home.socket()).unwrap();
    let mut report = |more: Value| {
        let mut params = json!({"text": "the door is open", "idempotencyKey": "k"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wire.call("system-event", &params)
    };
    let first = report(json!({})).unwrap();
    assert_eq!((&first["queued"], &first["sessionKey"]), (&json!(true), &json!("agent:main:main")));
    assert_eq!(report(json!({})).unwrap()["queued"], false);
    assert_eq!(report(json!({"agentId": "main"})).unwrap()["queued"], false);
    for (more, why) in [
        (json!({"text": "the door is shut"}), "for another text"),
        (json!({"agentId": "work"}), "in session agent:main:main"),
    ] {
        let said = report(more).unwrap_err();
        for part in ["\"k\"", why, "needs a key of its own"] {
            assert!(said.replace("\\\"", "\"").contains(part), "{part}: {said}");
        }
    }
    service.process.stop();
}
