//! The control socket, line by line.

use serde_json::{Value, json};

use crate::kit::Home;
use crate::scene::Scene;
use crate::wire::Wire;

fn request(id: &str, method: &str, params: Value) -> String {
    json!({"type": "req", "id": id, "method": method, "params": params}).to_string()
}

#[test]
fn a_line_that_is_no_request_is_answered_and_the_connection_stays() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wire = Wire::connect(&home.socket()).unwrap();
    for line in [
        "garbage",
        "",
        "{}",
        "[1, 2]",
        "{\"type\":\"req\"}",
        "{\"type\":\"req\",\"id\":1,\"method\":\"health\"}",
        "{\"type\":\"event\",\"event\":\"x\",\"payload\":1,\"seq\":1}",
        "{\"type\":\"res\",\"id\":\"1\",\"ok\":true}",
    ] {
        let answer = wire.ask(line);
        assert_eq!(answer["type"], "res", "{line}: {answer}");
        assert_eq!((&answer["id"], &answer["ok"]), (&json!("invalid"), &json!(false)), "{line}");
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{line}: {answer}");
        assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
    }
    let answer = wire.ask(&request("7", "health", json!({})));
    assert_eq!((&answer["id"], &answer["ok"]), (&json!("7"), &json!(true)), "{answer}");
    assert_eq!(answer["payload"]["pid"], service.pid());
    service.stop();
}

#[test]
fn a_line_that_is_no_text_is_answered_and_the_connection_stays() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wire = Wire::connect(&home.socket()).unwrap();
    let half: &[u8] = b"{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\xc3\"}";
    for line in [b"\xff\xfe".as_slice(), b"\xed\xa0\x80", b"\0\0\0", half] {
        wire.say_bytes(line);
        let answer = wire.hear().expect("the connection stays");
        assert_eq!((&answer["id"], &answer["ok"]), (&json!("invalid"), &json!(false)), "{answer}");
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{answer}");
    }
    let answer = wire.ask(&request("7", "health", json!({})));
    assert_eq!((&answer["id"], &answer["ok"]), (&json!("7"), &json!(true)), "{answer}");
    service.stop();
}

#[test]
fn a_line_without_end_is_answered_and_hung_up_on() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wire = Wire::connect(&home.socket()).unwrap();
    wire.say_bytes(&vec![b'x'; 4 * 1024 * 1024 + 100]);
    let answer = wire.hear().expect("a reason comes before the end");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("longer than"), "{answer}");
    assert_eq!(wire.hear(), None);
    // Only that connection is gone.
    let mut wire = Wire::connect(&home.socket()).unwrap();
    assert_eq!(wire.ask(&request("7", "health", json!({})))["ok"], true);
    service.stop();
}

#[test]
fn a_wrong_request_is_answered_under_its_own_id() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wire = Wire::connect(&home.socket()).unwrap();
    for (method, params, code) in [
        ("telson.fly", json!({}), "INVALID_REQUEST"),
        ("telson.why", json!({}), "INVALID_REQUEST"),
        ("telson.why", json!({"query": "  "}), "INVALID_REQUEST"),
        ("telson.deadLetters.show", json!({"id": "x"}), "INVALID_REQUEST"),
        ("telson.deadLetters.show", json!({"id": "d99"}), "NOT_FOUND"),
        ("telson.deadLetters.replay", json!({"id": "99"}), "NOT_FOUND"),
        ("telson.deadLetters.drop", json!({"id": "d99"}), "NOT_FOUND"),
    ] {
        let answer = wire.ask(&request("q", method, params.clone()));
        assert_eq!((&answer["id"], &answer["ok"]), (&json!("q"), &json!(false)), "{answer}");
        assert_eq!(answer["error"]["code"], code, "{method} {params}: {answer}");
    }
    let unknown = wire.ask(&request("q", "telson.fly", json!({})));
    assert!(unknown["error"]["message"].as_str().unwrap().contains("telson.fly"), "{unknown}");
    service.stop();
}

#[test]
fn many_ask_at_once_and_each_gets_its_own_answers() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wires: Vec<Wire> = (0..20).map(|_| Wire::connect(&home.socket()).unwrap()).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.say(&request(&format!("{number}-a"), "status", json!({})));
        wire.say(&request(&format!("{number}-b"), "telson.tree", json!({})));
    }
    for (number, wire) in wires.iter_mut().enumerate() {
        let status = wire.hear().unwrap();
        assert_eq!((&status["id"], &status["ok"]), (&json!(format!("{number}-a")), &json!(true)));
        let tree = wire.hear().unwrap();
        assert_eq!(tree["id"], format!("{number}-b"));
        assert_eq!(tree["payload"]["id"], "engine");
    }
    service.stop();
}

#[test]
fn a_subscriber_follows_a_message_to_its_delivery() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let mut wire = Wire::connect(&scene.home.socket()).unwrap();
    let subscribed = wire.ask(&request("s", "telson.events.subscribe", json!({})));
    assert_eq!((&subscribed["id"], &subscribed["ok"]), (&json!("s"), &json!(true)));
    scene.say(&anna, "[#1] hello");
    let mut steps = Vec::new();
    while steps.last().is_none_or(|step| step != "delivered") {
        let frame = wire.hear().expect("the stream goes on");
        assert_eq!((&frame["type"], &frame["event"]), (&json!("event"), &json!("journey")));
        steps.push(frame["payload"]["event"].as_str().unwrap().to_owned());
        assert_eq!(frame["seq"], steps.len(), "events are counted from 1: {frame}");
    }
    assert_eq!(steps, ["admitted", "turn_started", "answered", "sending", "delivered"]);
    // The stream ends with the service, not before.
    service.stop();
    assert_eq!(wire.hear(), None);
    scene.assert_only(&[(&anna, "[#1]")]);
}

#[test]
fn status_and_tree_show_the_account_and_its_actors() {
    let scene = Scene::new();
    let service = scene.start();
    let status = scene.home.ask(&["status"]);
    assert_eq!(status.code, 0, "{status:?}");
    for part in ["waiting 0", "dead letters 0", "imessage/default", "echo", "running"] {
        assert!(status.out.contains(part), "{part:?} is in {}", status.out);
    }
    assert!(!status.out.contains("\u{1b}["), "no colour without a terminal");
    let (_, document) = scene.home.ask_json(&["status"]);
    let channels: Vec<_> = document["channels"].as_array().unwrap().iter().collect();
    let ids: Vec<_> = channels.iter().map(|channel| channel["id"].as_str().unwrap()).collect();
    let known = ["imessage/default", "webchat/default", "webhook/default"];
    assert_eq!(ids, known, "only channels are listed as channels");
    let tree = scene.home.ask(&["tree"]);
    assert_eq!(tree.code, 0);
    for actor in ["janitor", "router", "sessions", "delivery", "watcher", "imsg", "control"] {
        assert!(tree.out.contains(actor), "{actor} is in {}", tree.out);
    }
    service.stop();
}
