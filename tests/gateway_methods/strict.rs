//! Parameters nobody knows are refused by name, by every method.

use serde_json::{Value, json};

use super::kit::Home;
use super::wire::Wire;

/// Methods only a node may call: its own test calls them.
const OF_NODES: [&str; 6] = [
    "node.event",
    "node.invoke.progress",
    "node.invoke.result",
    "node.pending.ack",
    "node.pending.drain",
    "node.pending.pull",
];

#[test]
fn a_property_nobody_knows_is_named() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wire = Wire::connect(&home.socket()).unwrap();
    let mut tried = 0;
    for method in telson::methods::methods().map(|method| method.name) {
        if OF_NODES.contains(&method) {
            continue;
        }
        // One method looks at its other properties only once it knows which session is meant.
        let params = json!({"key": "main", "bogusProperty": 1});
        let params = if method == "sessions.patch" { params } else { json!({"bogusProperty": 1}) };
        let error = wire.call(method, &params).unwrap_err();
        let is_named = error.contains("'bogusProperty'") && error.contains("INVALID_REQUEST");
        assert!(is_named, "{method}: {error}");
        tried += 1;
    }
    assert!(tried > 90, "{tried} methods were tried");
    service.stop();
}

#[test]
fn a_value_of_the_wrong_kind_is_named() {
    let home = Home::new();
    let service = home.start(&[]);
    let mut wire = Wire::connect(&home.socket()).unwrap();
    for (method, params, part) in [
        ("sessions.list", json!({"limit": 0}), "at limit"),
        ("sessions.list", json!({"search": 5}), "at search"),
        ("sessions.preview", json!({"keys": [""]}), "at keys[0]"),
        ("sessions.describe", json!({}), "'key'"),
        ("channels.status", json!({"probe": "yes"}), "at probe"),
        ("logs.tail", json!({"limit": -1}), "at limit"),
        ("config.schema.lookup", json!({"path": "a b"}), "at path"),
        (
            "sessions.patch",
            json!({"key": "main", "thinkingLevel": "high"}),
            "thinkingLevel is not supported",
        ),
        ("sessions.patch", json!({"key": "main", "nope": 1}), "'nope'"),
        ("agents.files.get", json!({"agentId": "main", "name": "../secret"}), "unsupported file"),
        ("node.invoke.result", json!({}), "unauthorized role"),
    ] {
        let error = wire.call(method, &params).unwrap_err();
        assert!(error.contains(part), "{method} {params}: {error}");
    }
    service.stop();
}

#[test]
fn the_newest_lines_of_the_log_are_read_on_from_a_cursor() {
    let home = Home::new();
    let service = home.start(&["--log-level", "debug"]);
    let tail = |params: Value| service.call("logs.tail", &params);
    let all = tail(json!({}));
    let lines = all["lines"].as_array().unwrap();
    assert!(!lines.is_empty(), "a start is logged: {all}");
    let line: Value = serde_json::from_str(lines[0].as_str().unwrap()).unwrap();
    assert!(line["message"].is_string() && line["_meta"]["logLevelName"].is_string(), "{line}");
    let rest = tail(json!({"cursor": all["cursor"]}));
    assert!(rest["lines"].as_array().unwrap().iter().all(|line| !lines.contains(line)));
    assert_eq!(tail(json!({"cursor": 999_999_999_u64}))["reset"], true);
    service.stop();
}

#[test]
fn a_file_of_a_workspace_is_written_and_read() {
    let home = Home::new();
    let service = home.start(&[]);
    let set = json!({"agentId": "main", "name": "AGENTS.md", "content": "Be kind."});
    assert_eq!(service.call("agents.files.set", &set)["ok"], true);
    let on_disk = std::fs::read_to_string(home.state_dir().join("workspace/AGENTS.md")).unwrap();
    assert_eq!(on_disk, "Be kind.");
    let got = service.call("agents.files.get", &json!({"agentId": "main", "name": "AGENTS.md"}));
    assert_eq!(got["file"]["content"], "Be kind.");
    service.stop();
}
