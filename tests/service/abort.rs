//! Stopping a session: by its person in the chat, and by its operator.

use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::json;

use crate::kit::{Home, until};
use crate::scene::{Scene, write_files};

/// A model server that takes every call and answers none; tells of each.
pub(crate) fn silent_model() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for connection in listener.incoming().map_while(Result::ok) {
            open.push(connection);
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    (url, told)
}

#[test]
fn a_running_turn_is_stopped_by_its_person_and_by_the_operator() {
    let (url, asked) = silent_model();
    let scene = Scene::new();
    write_files(&scene.home, &json!({}), &[]);
    let path = scene.home.state_dir().join("telson.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["agents"]["defaults"]["model"] = json!("silent/m");
    config["models"]["providers"]["silent"] =
        json!({"baseUrl": url, "api": "openai-completions", "apiKey": "k", "models": []});
    scene.home.configure(&config.to_string());
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let home = &scene.home;

    scene.say(&anna, "[#1] think for ever");
    asked.recv().unwrap();
    scene.say(&anna, "/stop");
    until("the person is told", || (scene.texts() == ["Stopped."]).then_some(()));
    service.idle();
    let why = home.ask(&["why", "[#1]"]);
    assert!(why.out.contains("it was stopped before it was answered"), "{}", why.out);

    scene.say(&anna, "[#2] and again");
    asked.recv().unwrap();
    let session = service.journey("[#2]")["message"]["session"].as_str().unwrap().to_owned();
    let stopped = home.ask(&["abort", &session]);
    assert_eq!((stopped.code, stopped.err.as_str()), (0, ""));
    assert_eq!(stopped.out, format!("stopped in {session}: 1 message is not answered\n"));
    until("the person is told", || {
        let texts = scene.texts();
        let told = texts.get(1).is_some_and(|text| text.contains("stopped by its operator"));
        told.then_some(())
    });
    let (code, again) = home.ask_json(&["abort", &session]);
    assert_eq!((code, &again["stopped"]), (0, &json!({"turn": null, "messages": 0})));
    assert_eq!(scene.texts().len(), 2, "nobody is told of nothing");
    let idle = home.ask(&["abort", &session]);
    assert_eq!(idle.out, format!("nothing runs or waits in {session}\n"), "{idle:?}");
    // Two messages and a command; the newest first.
    let (code, all) = home.ask_json(&["why", &session]);
    let texts: Vec<_> = all["journeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["message"]["text"].clone())
        .collect();
    assert_eq!(code, 0, "{all}");
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(texts[0], "[#2] and again");
    service.idle();
    service.stop();
}

#[test]
fn what_is_no_session_is_said() {
    let home = Home::new();
    let service = home.start(&[]);
    for (typed, meant) in [("agent:main:main", "main"), ("nonsense", "nonsense")] {
        let unknown = home.ask(&["abort", typed]);
        assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{unknown:?}");
        let said = format!(
            "telson: there is no session agent:main:{meant}; `telson why` shows the session of a \
             message\n"
        );
        assert_eq!(unknown.err, said);
    }
    service.stop();
}

#[test]
fn a_session_is_named_by_its_last_part_and_told_by_its_whole_key() {
    let home = Home::new();
    let service = home.start(&[]);
    let (code, said) = home.ask_json(&["chat", "--session", "f2", "-m", "hello"]);
    assert_eq!((code, &said["session"]), (0, &json!("agent:main:f2")), "{said}");
    let idle = home.ask(&["abort", "f2"]);
    assert_eq!((idle.code, idle.err.as_str()), (0, ""), "{idle:?}");
    assert_eq!(idle.out, "nothing runs or waits in agent:main:f2\n");
    service.stop();
}

#[test]
fn a_service_that_is_told_to_stop_says_that_it_drains() {
    let (url, asked) = silent_model();
    let home = Home::new();
    home.configure(
        &json!({
            "agents": {"defaults": {"model": "silent/m"}},
            "models": {"providers": {"silent": {
                "baseUrl": url, "api": "openai-completions", "apiKey": "k", "models": [],
            }}},
        })
        .to_string(),
    );
    let service = home.start(&["--drain-seconds", "30"]);
    assert!(home.ask(&["health"]).out.starts_with("healthy"));
    let chatting = home.spawn(&["chat", "--message", "think for ever"]);
    asked.recv().unwrap();
    service.signal(rustix::process::Signal::TERM);
    let told = until("it drains", || {
        let told = home.ask(&["health"]);
        (!told.out.starts_with("healthy")).then_some(told)
    });
    assert!(told.code == 1 && told.out.starts_with("draining, up "), "{told:?}");
    let (code, document) = home.ask_json(&["health"]);
    assert_eq!((code, &document["draining"]), (1, &json!(true)), "{document}");
    let status = home.ask(&["status"]);
    assert!(status.code == 0 && status.out.contains("draining: it takes nothing"), "{status:?}");
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.finish().code, 130);
    let lost = chatting.finish();
    assert_eq!(lost.code, 1, "{lost:?}");
    assert!(lost.err.contains("was taken and is kept"), "{lost:?}");
}
