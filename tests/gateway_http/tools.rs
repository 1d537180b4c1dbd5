//! `POST /tools/invoke`.

use serde_json::{Value, json};

use super::kit::{Answer, Scene, Service};

fn invoke(service: &Service, tool: &str, args: Value) -> Answer {
    service.post("/tools/invoke", &[], &json!({"tool": tool, "args": args}))
}

#[test]
fn nothing_is_given_by_default() {
    let scene = Scene::new(json!({}));
    let service = scene.start();
    for tool in ["read", "write", "exec", "sessions_list", "message", "no_such_tool"] {
        let answer = invoke(&service, tool, json!({}));
        assert_eq!(answer.status, 404, "{tool}: {answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("not available"));
    }
    let answer = service.send("POST", "/tools/invoke", &[], r#"{"tool": "read"}"#);
    assert_eq!(answer.status, 401);
    service.process.stop();
}

#[test]
fn what_an_agent_may_use_can_be_called_within_its_policy() {
    let scene = Scene::new(json!({
        "tools": {"profile": "full", "deny": ["web_fetch"], "exec": {"mode": "full"}},
    }));
    let service = scene.start();
    let answer = invoke(&service, "write", json!({"path": "note.txt", "content": "kept"}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = scene.home.state_dir().join("workspace/note.txt");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
    let read = invoke(&service, "read", json!({"path": "note.txt"}));
    let text = read.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("kept"), "{read:?}");
    // Some tools are never called from here, and what is denied looks like what is not there.
    let touched = scene.home.path("touched");
    let command = json!({"command": format!("touch {}", touched.display())});
    for (tool, args) in [
        ("exec", command),
        ("sessions_send", json!({"sessionKey": "agent:main:main", "message": "x"})),
        ("web_fetch", json!({"url": "http://127.0.0.1/"})),
    ] {
        assert_eq!(invoke(&service, tool, args).status, 404, "{tool}");
    }
    assert!(!touched.exists());
    let outside = invoke(&service, "read", json!({"path": "../telson.json"}));
    assert_eq!((outside.status, &outside.json()["error"]["type"]), (400, &json!("tool_error")));
    for body in [
        json!({}),
        json!({"tool": ""}),
        json!({"tool": 7}),
        json!({"tool": "read", "args": []}),
        json!({"tool": "read", "args": {"path": 7}}),
        json!({"tool": "read", "sessionKey": "nonsense"}),
        json!({"tool": "read", "sessionKey": "agent:nobody:main"}),
    ] {
        let answer = service.post("/tools/invoke", &[], &body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let large = json!({"tool": "read", "args": {"path": "x".repeat(2 * 1024 * 1024)}});
    assert_eq!(service.post("/tools/invoke", &[], &large).status, 413);
    service.process.stop();
}
