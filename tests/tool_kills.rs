//! Turns with tools in the real program, killed with SIGKILL between any two of their steps: the
//! model's own bill and what the commands have written tell how often each step was made.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test helpers fail their test and say why"
)]

#[path = "service/kit.rs"]
mod kit;
#[path = "tool_kills/model.rs"]
mod model;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "imessage/scene.rs"]
mod scene;
#[path = "service/wire.rs"]
mod wire;

use std::path::PathBuf;

use kit::until;
use model::{Model, ROUNDS};
use scene::{Friend, Scene};
use serde_json::{Value, json};

/// A service whose agent may run commands, and its model.
struct Rig {
    scene: Scene,
    model: Model,
    friend: Friend,
}

impl Rig {
    fn new() -> Self {
        let scene = Scene::new();
        let model = Model::start(scene.home.path("deeds"), scene.home.path("hold"));
        let path = scene.home.state_dir().join("telson.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["models"] = json!({"providers": {"mock": {
            "baseUrl": model.url(), "api": "openai-completions", "models": [{"id": "m"}],
        }}});
        config["agents"]["defaults"]["model"] = json!("mock/m");
        config["tools"] = json!({"profile": "coding", "exec": {"mode": "full"}});
        scene.home.configure(&config.to_string());
        let friend = scene.friend("+15550100001");
        Self { scene, model, friend }
    }

    /// What the commands have written: a line when one begins, and one when it ends.
    fn deeds(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.scene.home.path("deeds")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn hold(&self) -> PathBuf {
        self.scene.home.path("hold")
    }

    fn is_answered_once(&self) {
        until("the message is answered", || {
            (!self.scene.texts_to(&self.friend).is_empty()).then_some(())
        });
        let texts = self.scene.texts();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].starts_with("All done"), "{texts:?}");
    }
}

// D7: killed while the model is asked for one of its answers, behind everything recorded so far.
#[test]
fn killed_while_the_model_is_asked_nothing_recorded_is_made_again() {
    for round in 0..=ROUNDS {
        let rig = Rig::new();
        rig.model.hang_in(round);
        let service = rig.scene.start();
        rig.scene.say(&rig.friend, "[#1] please");
        until("the model is asked", || rig.model.is_hanging().then_some(()));
        service.kill();
        let service = rig.scene.start();
        rig.is_answered_once();
        service.stop();
        // The answer that was cut off is asked for again; no other is.
        let bill: Vec<usize> = (0..=ROUNDS).collect();
        assert_eq!(rig.model.bill(), bill, "killed in answer {round}");
        let deeds: Vec<String> =
            (0..ROUNDS).flat_map(|n| [format!("begin {n}"), format!("end {n}")]).collect();
        assert_eq!(rig.deeds(), deeds, "killed in answer {round}");
    }
}

// D7: killed while a command runs, it is not run again, and the person is told that nobody knows.
#[test]
fn killed_while_a_tool_runs_it_is_not_run_again() {
    for round in 0..ROUNDS {
        let rig = Rig::new();
        std::fs::write(rig.hold(), round.to_string()).unwrap();
        let service = rig.scene.start();
        rig.scene.say(&rig.friend, "[#1] please");
        let begun = format!("begin {round}");
        until("the command runs", || rig.deeds().contains(&begun).then_some(()));
        service.kill();
        let service = rig.scene.start();
        rig.is_answered_once();
        std::fs::remove_file(rig.hold()).unwrap();
        service.stop();
        let bill: Vec<usize> = (0..=ROUNDS).collect();
        assert_eq!(rig.model.bill(), bill, "killed in command {round}");
        for n in 0..ROUNDS {
            let begun = rig.deeds().iter().filter(|deed| **deed == format!("begin {n}")).count();
            assert_eq!(begun, 1, "command {n}, killed in command {round}: {:?}", rig.deeds());
        }
        let text = rig.scene.texts().remove(0);
        assert!(text.contains("whether it took effect is unknown"), "{text}");
    }
}

/// The numbers of processes that run in the home folder of this rig because of a command.
#[cfg(target_os = "linux")]
fn commands_of(rig: &Rig) -> usize {
    let home = rig.scene.home.path("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    let of = |pid: std::path::PathBuf| {
        let environment = std::fs::read(pid.join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        environment.contains("TELSON_EXEC=") && environment.contains(home)
    };
    let processes = std::fs::read_dir("/proc").unwrap().map_while(Result::ok);
    processes.filter(|process| of(process.path())).count()
}

// A gateway that is killed can't end what it runs. The next one does, before it does anything else.
#[cfg(target_os = "linux")]
#[test]
fn what_a_killed_gateway_left_running_is_ended_by_the_next() {
    let rig = Rig::new();
    std::fs::write(rig.hold(), "1").unwrap();
    let service = rig.scene.start();
    rig.scene.say(&rig.friend, "[#1] please");
    until("the command runs", || rig.deeds().contains(&"begin 1".into()).then_some(()));
    service.kill();
    assert!(commands_of(&rig) > 0, "it outlives its gateway");
    let service = rig.scene.start();
    // What this life runs has the same home: only the command of the life before waits for the file.
    rig.is_answered_once();
    assert_eq!(commands_of(&rig), 0, "nothing is left running");
    assert!(service.log().contains("ended commands that a killed gateway had left running"));
    std::fs::remove_file(rig.hold()).unwrap();
    service.stop();
    assert!(!rig.deeds().contains(&"end 1".into()), "it came to no end: {:?}", rig.deeds());
}

// A replay runs everything anew: whoever asks for it is told, and has to say so.
#[test]
fn a_replay_that_would_run_tools_again_wants_a_yes() {
    let rig = Rig::new();
    rig.model.refuse_in(Some(2));
    let service = rig.scene.start();
    rig.scene.say(&rig.friend, "[#1] please");
    let letter = service.dead_letters(1).remove(0);
    let id = letter["id"].as_str().unwrap();
    let home = &rig.scene.home;
    let show = home.ask(&["dead-letters", "show", id]);
    for part in ["has run: exec: done (2 times)", "a replay runs again: exec"] {
        assert!(show.out.contains(part), "{part} is in {}", show.out);
    }
    rig.model.refuse_in(None);
    let refused = home.ask(&["dead-letters", "replay", id]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
    let said = format!("the turn of {id} has already run exec, and a replay would run that again");
    assert!(refused.err.contains(&said) && refused.err.contains("--yes"), "{}", refused.err);
    assert_eq!(rig.deeds().len(), 4, "nothing was run by asking: {:?}", rig.deeds());
    let replayed = home.ask(&["dead-letters", "replay", id, "--yes"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    until("it is answered", || {
        rig.scene.texts().iter().any(|text| text.starts_with("All done")).then_some(())
    });
    assert_eq!(rig.deeds().iter().filter(|deed| *deed == "begin 0").count(), 2);
    service.stop();
}
