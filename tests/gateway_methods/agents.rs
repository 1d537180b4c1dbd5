//! Agents made, changed and deleted from afar: the file on the disk and who answers count.

use serde_json::{Value, json};

use super::kit::{Home, Process, until};
use super::wire::Wire;

const CONFIG: &str = "{
  models: { providers: { mock: { baseUrl: 'http://127.0.0.1:9/v1', apiKey: 'sk-very-secret',
    models: [{ id: 'm' }] } } },
  bindings: [],
}";

fn call(service: &Home, method: &str, params: &Value) -> Result<Value, String> {
    Wire::connect(&service.socket()).unwrap().call(method, params)
}

fn file(home: &Home) -> Value {
    let text = std::fs::read_to_string(home.state_dir().join("telson.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Has the service begin anew, and waits for that.
fn begin_anew(home: &Home, service: &Process) {
    let pid = service.pid();
    let done = || {
        let mut wire = Wire::connect(&home.socket())?;
        let stability = wire.call("diagnostics.stability", &json!({})).ok()?;
        stability["lives"]["restartsAskedFor"].as_u64()
    };
    let before = done().unwrap();
    let answer = call(home, "gateway.restart.request", &json!({"reason": "a test"})).unwrap();
    assert_eq!((&answer["ok"], &answer["pid"]), (&json!(true), &json!(pid)), "{answer}");
    until("it has begun anew", || (done()? > before).then_some(()));
    assert_eq!(service.pid(), pid);
}

fn ids(home: &Home) -> Vec<String> {
    let list = call(home, "agents.list", &json!({})).unwrap();
    let agents = list["agents"].as_array().unwrap();
    agents.iter().map(|agent| agent["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_agent_is_made_changed_and_deleted_and_its_sessions_stay() {
    let home = Home::new();
    home.configure(CONFIG);
    let service = home.start(&[]);
    let made = json!({"name": "My Work", "emoji": "x"});
    let made = call(&home, "agents.create", &made).unwrap();
    let workspace = home.state_dir().join("workspace-my-work");
    let expected =
        json!({"ok": true, "agentId": "my-work", "name": "My Work", "workspace": workspace});
    assert_eq!(made, expected);
    let config = file(&home);
    assert_eq!(config["agents"]["entries"]["main"], json!({"default": true}));
    assert_eq!(config["agents"]["entries"]["my-work"]["identity"]["emoji"], "x");
    assert_eq!(config["models"]["providers"]["mock"]["apiKey"], "sk-very-secret");
    assert_eq!(ids(&home), ["main"], "a running engine does not know it yet");
    let notices = call(&home, "status", &json!({})).unwrap()["notices"].to_string();
    assert!(notices.contains("config file was changed"), "{notices}");
    let error = call(&home, "agents.create", &json!({"name": "my work"})).unwrap_err();
    assert!(error.contains("already exists"), "{error}");

    begin_anew(&home, &service);
    assert_eq!(ids(&home), ["main", "my-work"]);
    let notices = call(&home, "status", &json!({})).unwrap()["notices"].to_string();
    assert!(!notices.contains("config file"), "{notices}");
    let set = json!({"agentId": "my-work", "name": "AGENTS.md", "content": "Work."});
    call(&home, "agents.files.set", &set).unwrap();
    let said =
        json!({"sessionKey": "agent:my-work:main", "message": "hello", "idempotencyKey": "k"});
    call(&home, "chat.send", &said).unwrap();
    service.idle();

    let change = json!({"agentId": "my-work", "name": "Office", "model": "mock/m"});
    assert_eq!(
        call(&home, "agents.update", &change).unwrap(),
        json!({"ok": true, "agentId": "my-work"})
    );
    let own = &file(&home)["agents"]["entries"]["my-work"];
    assert_eq!((&own["name"], &own["model"]), (&json!("Office"), &json!("mock/m")));
    for (method, params, part) in [
        ("agents.update", json!({"agentId": "nobody", "name": "x"}), "not configured"),
        ("agents.update", json!({"agentId": "my-work"}), "what is to be changed"),
        ("agents.update", json!({"agentId": "my-work", "model": "nobody/x"}), "nobody"),
        ("agents.update", json!({"agentId": "my-work", "avatar": "a.png"}), "avatar"),
        ("agents.create", json!({"name": "\u{65e5}"}), "at name"),
        ("agents.delete", json!({"agentId": "main"}), "default"),
    ] {
        let before = file(&home);
        let error = call(&home, method, &params).unwrap_err();
        assert!(error.contains(part), "{method} {params}: {error}");
        assert_eq!(file(&home), before, "{method} {params}");
    }

    let gone = call(&home, "agents.delete", &json!({"agentId": "my-work"})).unwrap();
    assert_eq!(gone, json!({"ok": true, "agentId": "my-work", "removedBindings": 0}));
    begin_anew(&home, &service);
    assert_eq!(ids(&home), ["main"]);
    let sessions = call(&home, "sessions.list", &json!({"agentId": "my-work"})).unwrap();
    assert_eq!(sessions["count"], 1, "what was said stays: {sessions}");
    assert!(workspace.join("AGENTS.md").exists());
    service.stop();
}

#[test]
fn what_a_deleted_agent_leaves_is_put_away_where_that_is_asked_for() {
    let home = Home::new();
    home.configure("{agents: {entries: {main: {default: true}, work: {}}}}");
    let service = home.start(&[]);
    let set = json!({"agentId": "work", "name": "AGENTS.md", "content": "Work."});
    call(&home, "agents.files.set", &set).unwrap();
    let said = json!({"sessionKey": "agent:work:main", "message": "hello", "idempotencyKey": "k"});
    call(&home, "chat.send", &said).unwrap();
    service.idle();
    let delete = json!({"agentId": "work", "deleteFiles": true});
    let gone = call(&home, "agents.delete", &delete).unwrap();
    assert_eq!(gone["removed"].as_array().unwrap().len(), 2, "{gone}");
    assert_eq!(gone.get("failed"), None, "{gone}");
    assert!(!home.state_dir().join("workspace-work").exists());
    let kept: Vec<_> = std::fs::read_dir(home.state_dir().join("trash")).unwrap().collect();
    let kept = kept.into_iter().next().unwrap().unwrap().path().join("AGENTS.md");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "Work.");
    let sessions = call(&home, "sessions.list", &json!({"agentId": "work"})).unwrap();
    assert_eq!(sessions["count"], 0, "{sessions}");
    service.stop();
}

// A folder that others use, or the gateway itself, is not one agent's to be put away.
#[test]
fn the_folder_of_a_deleted_agent_is_kept_where_others_use_it() {
    let home = Home::new();
    let entry = |id: &str, dir: &str| format!("{id}: {{workspace: '{dir}'}}");
    let dirs = [("same", "shared"), ("over", "group"), ("own", "store"), ("up", "work/../shared")];
    let entries: Vec<String> = dirs.iter().map(|(id, dir)| entry(id, dir)).collect();
    home.configure(&format!(
        "{{agents: {{entries: {{main: {{default: true, workspace: 'shared'}}, \
         deep: {{workspace: 'group/deep'}}, {}}}}}}}",
        entries.join(", ")
    ));
    for dir in ["shared", "group/deep", "work"] {
        std::fs::create_dir_all(home.state_dir().join(dir)).unwrap();
    }
    let service = home.start(&[]);
    for (id, dir) in dirs {
        let delete = json!({"agentId": id, "deleteFiles": true});
        let gone = call(&home, "agents.delete", &delete).unwrap();
        assert_eq!(gone["purgeFailed"], true, "{id}: {gone}");
        assert!(home.state_dir().join(dir).exists(), "{id}");
    }
    assert!(home.state_dir().join("group/deep").exists());
    service.stop();
}
