//! What `telson status` knows of that no actor tells: keys that rest, servers that are down, hooks
//! that fail, budgets that are used up.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::kit::until;
use crate::scene::Scene;

/// A model server that is over its rate until it is told to answer.
fn crowded_model() -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let answers = Arc::new(AtomicBool::new(false));
    let serving = answers.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // What is asked does not matter; a question is answered once it has begun.
            drop(stream.read(&mut vec![0; 64 * 1024]));
            let answer = json!({
                "choices": [{"index": 0, "finish_reason": "stop",
                             "message": {"role": "assistant", "content": "at your service"}}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
            })
            .to_string();
            let head = "connection: close\r\ncontent-type: application/json";
            let whole = if serving.load(Ordering::SeqCst) {
                format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{answer}")
            } else {
                format!("HTTP/1.1 429 Too Many Requests\r\n{head}\r\nretry-after: 600\r\n\r\n{{}}")
            };
            drop(stream.write_all(whole.as_bytes()));
        }
    });
    (url, answers)
}

fn scene(url: &str, change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::new();
    let path = scene.home.state_dir().join("telson.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    config["agents"]["defaults"]["model"] = json!("mock/m");
    config["models"]["providers"]["mock"] =
        json!({"baseUrl": url, "api": "openai-completions", "apiKey": "k", "models": []});
    change(&mut config);
    scene.home.configure(&config.to_string());
    scene
}

#[test]
fn a_resting_key_is_shown_after_a_restart_and_can_be_woken() {
    let (url, answers) = crowded_model();
    let scene = scene(&url, |_| ());
    let (anna, bert) = (scene.friend("+15550100001"), scene.friend("+15550100002"));
    let home = &scene.home;
    let service = scene.start();
    scene.say(&anna, "[#1]");
    let shows = "key mock:default: rests for m: too many requests, until ";
    until("it is shown", || home.ask(&["status"]).out.contains(shows).then_some(()));
    service.kill();

    let service = scene.start_with(&["--drain-seconds", "0"]);
    let status = home.ask(&["status"]);
    assert!(status.out.contains(shows), "the next life knows: {}", status.out);
    let keys = home.ask(&["models", "keys"]);
    assert!(keys.out.contains("rests for m") && keys.out.contains("echo:default"), "{}", keys.out);
    let unknown = home.ask(&["models", "wake", "mok"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{unknown:?}");
    let said = "\"mok\" is neither a provider nor one of their keys; there are ";
    assert!(unknown.err.contains(said) && unknown.err.contains("mock:default"), "{}", unknown.err);

    answers.store(true, Ordering::SeqCst);
    let woken = home.ask(&["models", "wake", "mock"]);
    assert_eq!((woken.code, woken.out.as_str()), (0, "may be asked again: mock:default\n"));
    let again = home.ask(&["models", "wake", "mock:default"]);
    assert_eq!((again.code, again.out.as_str()), (0, "nothing of mock:default rests\n"));
    assert!(!home.ask(&["status"]).out.contains("rests"), "nothing rests");
    scene.say(&bert, "[#2]");
    until("somebody is answered", || (scene.texts_to(&bert).len() == 1).then_some(()));
    service.stop();
}

#[test]
fn status_names_servers_that_are_down_hooks_that_fail_and_budgets_that_are_used_up() {
    let (url, answers) = crowded_model();
    answers.store(true, Ordering::SeqCst);
    let scene = scene(&url, |config| {
        config["mcp"] = json!({"servers": {"lost": {"command": "/bin/false"}}});
        config["usage"] = json!({"budget": {"perDay": {"tokens": 5}}});
        config["hooks"] = json!({"commands": {"sour": {"on": ["agent_end"],
            "command": "/bin/sh", "args": ["-c", "echo no milk >&2; exit 3"]}}});
    });
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1]");
    scene.answered(&[(&anna, "at your service")]);
    let status = until("all of it is shown", || {
        let (_, status) = scene.home.ask_json(&["status"]);
        (status["troubles"].as_array()?.len() == 2).then_some(status)
    });
    let text = scene.home.ask(&["status"]).out;
    let budget = "budget all: is used up for today: 20 of 5 tokens; anew at 00:00 UTC";
    assert!(text.contains(budget), "{text}");
    assert!(text.contains("hook sour: fails on agent_end (1 in a row): "), "{text}");
    assert!(text.contains("no milk"), "{text}");
    let lost = &status["mcp"][0];
    assert_eq!(lost["id"], "lost", "{status}");
    assert!(text.contains("lost: down") || text.contains("lost  "), "{text}");
    service.stop();
}

#[test]
fn the_log_says_which_model_failed_and_why() {
    let (url, _) = crowded_model();
    let scene = scene(&url, |config| {
        config["agents"]["defaults"]["model"] =
            json!({"primary": "mock/m", "fallbacks": ["echo/echo"]});
        config["agents"]["entries"]["main"]["model"] =
            config["agents"]["defaults"]["model"].clone();
    });
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1]");
    scene.answered(&[(&anna, "[#1]")]);
    let log = service.log();
    let line = log.lines().find(|line| line.contains("a model failed")).expect("it is logged");
    for part in ["failed=mock/m", "class=RateLimit", "next=echo/echo", "reason="] {
        assert!(line.contains(part), "{part} is in {line}");
    }
    service.stop();
}
