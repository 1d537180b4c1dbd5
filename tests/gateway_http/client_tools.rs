//! Tools of the client: offered to the model, called by the client, and nothing of it run here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::kit::{Scene, Service, TOKEN, endpoints};
use super::service_kit::until;

/// A gateway whose agent has tools of its own.
fn scene() -> Scene {
    let mut config = endpoints();
    config["tools"] = json!({"profile": "coding", "exec": {"mode": "full"}});
    Scene::new(config)
}

fn chat(text: &str, names: &[&str]) -> Value {
    let tool = |name: &&str| json!({"type": "function", "function": {"name": name}});
    json!({
        "model": "openclaw",
        "messages": [{"role": "user", "content": text}],
        "tools": names.iter().map(tool).collect::<Value>(),
    })
}

fn names(request: &Value) -> Vec<&str> {
    let tools = request["tools"].as_array().into_iter().flatten();
    tools.filter_map(|tool| tool["function"]["name"].as_str()).collect()
}

/// Runs a script against the published client; gives what it printed.
pub(crate) fn published(service: &Service, name: &str, script: &str) -> Value {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let (openai, node) = (target.join("test-openai"), target.join("test-tools/node"));
    assert!(openai.join("installed.json").exists(), "run tests/openai_install first");
    assert!(node.exists(), "run tests/tools_install first");
    let path = openai.join(name);
    std::fs::write(&path, script).unwrap();
    let output = Command::new(node)
        .arg(path)
        .env("BASE_URL", format!("http://127.0.0.1:{}/v1", service.port))
        .env("TOKEN", TOKEN)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_published_client_calls_its_own_tools() {
    let scene = scene();
    let service = scene.start();
    let script = include_str!("tools/client_tools.mjs");
    let seen = published(&service, "client_tools.mjs", script);
    let call = |id: &str, name: &str| {
        let arguments = json!({"for": name}).to_string();
        json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
    };
    assert_eq!(seen["asked"]["finish_reason"], "tool_calls");
    assert_eq!(seen["asked"]["message"]["content"], "let me see");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let [weather, time] = [0, 1].map(|at| text(&seen["asked"]["message"]["tool_calls"][at]["id"]));
    let both = json!([call(&weather, "weather"), call(&time, "time")]);
    assert_eq!(seen["asked"]["message"]["tool_calls"], both);
    assert_eq!(seen["done"]["finish_reason"], "stop");
    let results = format!(
        "[results of tools]\nweather ({weather}): weather is fine\ntime ({time}): time is fine"
    );
    let told = scene.model.question("weather is fine");
    assert!(told.ends_with(&results), "{told}");
    assert!(told.contains(&format!("[called time as {time} with {{\"for\":\"time\"}}]")), "{told}");
    assert_eq!(seen["streamed"]["finish"], "tool_calls");
    assert_eq!(seen["streamed"]["deltas"], 2);
    assert_eq!(seen["streamed"]["content"], "let me see");
    let calls = &seen["streamed"]["calls"];
    assert_eq!(calls[0]["function"]["arguments"], json!({"for": "weather"}).to_string());
    assert_eq!(seen["loop"]["ran"], json!([{"for": "weather"}]), "once, by the client");
    let looped = seen["loop"]["text"].as_str().unwrap();
    assert!(looped.contains("): warm"), "{looped}");
    assert_eq!(seen["first"]["types"], json!(["function_call"]), "it said nothing");
    // Its model counts from nought in each answer, and here no two calls are the same.
    let id = text(&seen["first"]["call"]["call_id"]);
    let all = [weather, time, text(&calls[0]["id"]), id.clone()];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    assert!(!looped.contains(&id) && all.iter().all(|id| id.starts_with("call_")), "{all:?}");
    assert_eq!((&seen["first"]["echoed"], &seen["first"]["text"]), (&json!(1), &json!("")));
    assert_eq!(seen["second"]["types"], json!(["message"]));
    assert_eq!(seen["second"]["text"], format!("you said [result of a tool]\n{id}: cold"));
    // In its own session the model sees its call, and that it was handed over.
    let request = scene.model.request(&format!("{id}: cold"));
    let roles: Vec<&str> = request["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|message| message["role"].as_str())
        .filter(|role| *role != "system")
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user"]);
    let events: Vec<String> = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    .iter()
    .map(|event| format!("response.{event}"))
    .collect();
    assert_eq!(seen["events"], json!(events));
    assert_eq!(seen["arguments"], json!({"for": "time"}).to_string());
    let items = json!([["message", "completed"], ["function_call", "completed"]]);
    assert_eq!(seen["completed"], items);
    assert_eq!(seen["twice"], json!([true, "tools[1]", "duplicate_tool"]));
    assert_eq!(seen["clash"], json!([true, "tools", "tool_name_conflict"]));
    assert_eq!(seen["nameless"], json!([true, "tools[0].function.name", null]));
    assert_eq!(seen["unknown"], json!([true, "tool_choice", null]));
    assert_eq!(scene.model.asked("REFUSED"), 0);
    let beside = scene.model.request("CALL weather time");
    assert!(names(&beside).contains(&"read") && names(&beside).contains(&"time"), "{beside}");
    assert_eq!(beside["tool_choice"], Value::Null);
    let forced = scene.model.request("FORCED");
    assert_eq!((names(&forced), &forced["tool_choice"]), (vec!["a"], &json!("required")));
    assert!(!names(&scene.model.request("OFF CALL")).contains(&"a"));
    service.process.stop();
}

#[test]
fn nothing_is_run_here_and_an_answer_to_a_kept_key_is_the_same() {
    let scene = scene();
    let service = scene.start();
    let key = [("idempotency-key", "once")];
    let trace = || std::fs::read_to_string(scene.home.state_dir().join("workspace/trace"));
    // Its own tool in the same answer is not run: the turn ends with the client's.
    let body = chat("CALL mine exec", &["mine"]);
    let first = service.post("/v1/chat/completions", &key, &body);
    assert_eq!(first.status, 200, "{first:?}");
    let choice = first.json()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["tool_calls"].as_array().map(Vec::len), Some(1), "{choice}");
    let again = service.post("/v1/chat/completions", &key, &body);
    assert_eq!(again.json()["choices"][0], choice);
    assert_eq!(scene.model.asked("CALL mine exec"), 1);
    let journey = service.process.journey("CALL mine exec");
    assert_eq!(journey["state"], "answered", "{journey}");
    assert!(trace().is_err(), "nothing was run");
    let own = service.post("/v1/chat/completions", &[], &chat("CALL exec", &["mine"]));
    assert_eq!(own.json()["choices"][0]["finish_reason"], "stop", "{own:?}");
    assert_eq!(trace().unwrap(), "ran\n", "its own tool stands beside the client's");
    service.process.stop();
}

// D7: a turn that is cut off goes on with its client's tools in the next life.
#[test]
fn the_tools_of_a_client_outlive_a_kill() {
    let scene = scene();
    let body = chat("SLOW CALL mine", &["mine"]);
    let key = [("idempotency-key", "cut")];
    let service = scene.start();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut stream = service.connect();
            let token = format!("Bearer {TOKEN}");
            let headers = [("authorization", token.as_str()), key[0]];
            let text =
                super::kit::request("POST", "/v1/chat/completions", &headers, &body.to_string());
            std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
            let mut rest = Vec::new();
            drop(std::io::Read::read_to_end(&mut stream, &mut rest));
        });
        until("the model is asked", || (scene.model.asked("SLOW CALL") == 1).then_some(()));
        service.process.signal(rustix::process::Signal::KILL);
        asking.join().unwrap();
    });
    let service = scene.start();
    until("the turn goes on", || (scene.model.asked("SLOW CALL") == 2).then_some(()));
    assert!(names(&scene.model.request("SLOW CALL")).contains(&"mine"));
    scene.model.release();
    for _ in 0..2 {
        let answer = service.post("/v1/chat/completions", &key, &body).json();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
        assert_eq!(choice["message"]["tool_calls"][0]["function"]["name"], "mine");
    }
    assert_eq!(scene.model.asked("SLOW CALL"), 2);
    service.process.stop();
}
