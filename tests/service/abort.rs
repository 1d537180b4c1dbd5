//! Stopping a session: by its person in the chat, and by its operator.

use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::json;

use crate::kit::{Home, until};
use crate::scene::{Scene, write_files};

/// A model server that takes every call and answers none; tells of each.
fn silent_model() -> (String, mpsc::Receiver<()>) {
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
    let wrong = home.ask(&["abort", "nonsense"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.starts_with("telson: failed to read \"nonsense\""), "{}", wrong.err);
    for part in ["\"nonsense\"", "agent:<agent>:<conversation>", "`telson why`"] {
        assert!(wrong.err.contains(part), "{part} is in {}", wrong.err);
    }
    let unknown = home.ask(&["abort", "agent:main:main"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{unknown:?}");
    let said = "telson: there is no session agent:main:main; `telson why` shows the session of a \
                message\n";
    assert_eq!(unknown.err, said);
    service.stop();
}
