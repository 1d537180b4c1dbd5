//! A job that comes every second, and a service that is killed again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::until;
use crate::model::Model;
use crate::scene::{Friend, Scene};

struct Rig {
    scene: Scene,
    model: Model,
    friend: Friend,
}

impl Rig {
    fn new() -> Self {
        // Exact with this stand-in: what it has taken up it finishes within milliseconds.
        let settings = json!({"unsettledSends": "resend", "unsettledAfterSeconds": 3});
        let (scene, model) = (Scene::with(&settings, &[]), Model::start());
        let path = scene.home.state_dir().join("telson.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["models"] = json!({"providers": {"mock": {
            "baseUrl": model.url(), "api": "openai-completions", "models": [{"id": "m"}],
        }}});
        config["agents"]["defaults"]["model"] = json!("mock/m");
        config["session"] = json!({"dmScope": "main"});
        scene.home.configure(&config.to_string());
        let friend = scene.friend("+15550100001");
        Self { scene, model, friend }
    }

    /// The friend has written, so that the agent's main session has a place.
    fn greet(&self) {
        self.scene.say(&self.friend, "hello");
        until("the friend is answered", || (!self.told().is_empty()).then_some(()));
    }

    /// What was announced, the answer to the friend first.
    fn told(&self) -> Vec<String> {
        self.scene.texts_to(&self.friend)
    }

    /// Instants that were announced; fails at the first double.
    fn announced(&self) -> BTreeSet<String> {
        let told = self.told();
        let different: BTreeSet<String> = told.iter().cloned().collect();
        assert_eq!(different.len(), told.len(), "announced twice: {told:?}");
        told.iter().filter_map(|text| text.strip_prefix("did ")).map(str::to_owned).collect()
    }
}

fn every_second(seconds: u64) -> [String; 2] {
    ["--every".to_owned(), format!("{seconds}s")]
}

#[test]
fn killed_at_any_moment_no_instant_is_announced_twice_and_no_answer_is_lost() {
    let rig = Rig::new();
    let mut service = rig.scene.start();
    rig.greet();
    let [every, time] = every_second(1);
    let args = ["cron", "add", "--id", "tick", &every, &time, "--message", "tick", "--announce"];
    let made = rig.scene.home.ask(&args);
    assert_eq!(made.code, 0, "{made:?}");
    // Killed at moments that walk through a second, and so through claim, turn and delivery.
    for nth in 1..=12_usize {
        let asked = rig.model.asked().len();
        until("another instant has come", || (rig.model.asked().len() > asked).then_some(()));
        rig.model.takes(Duration::from_millis(if nth % 3 == 0 { 300 } else { 0 }));
        std::thread::park_timeout(Duration::from_millis(u64::try_from(nth * 83 % 1000).unwrap()));
        service.kill();
        rig.announced();
        service = rig.scene.start();
    }
    let off = rig.scene.home.ask(&["cron", "edit", "tick", "--disable"]);
    assert_eq!(off.code, 0, "{off:?}");
    until("no run is under way", || {
        (service.call("cron.status", &json!({}))["running"] == json!(0)).then_some(())
    });
    service.idle();
    let announced = rig.announced();
    // Every instant the model was paid for was announced, whatever happened behind its answer.
    let paid: BTreeSet<String> = rig.model.asked().into_iter().collect();
    assert_eq!(announced, paid, "what was paid and what was announced");
    assert!(announced.len() > 12, "{announced:?}");
    // An answer that the service has taken is not asked for again.
    let answered = rig.model.answered();
    assert!(answered.len() <= announced.len() + 12, "{answered:?}");
    let runs = service.call("cron.runs", &json!({"id": "tick", "limit": 200}));
    let ended = runs["entries"].as_array().unwrap().iter().filter(|run| run["status"] == "ok");
    assert_eq!(ended.count(), announced.len() - 1, "the history says the same");
    service.stop();
}

#[test]
fn killed_while_the_model_is_asked_the_run_goes_on_and_is_announced_once() {
    let rig = Rig::new();
    let service = rig.scene.start();
    rig.greet();
    rig.model.takes(Duration::from_secs(3));
    let args = [
        "cron",
        "add",
        "--id",
        "once",
        "--at",
        "1s",
        "--message",
        "m",
        "--announce",
        "--keep-after-run",
    ];
    assert_eq!(rig.scene.home.ask(&args).code, 0);
    until("the model is asked", || (rig.model.asked().len() == 2).then_some(()));
    service.kill();
    rig.model.takes(Duration::ZERO);
    let service = rig.scene.start();
    until("the answer is announced", || (rig.told().len() == 2).then_some(()));
    until("the run has ended", || {
        let runs = service.call("cron.runs", &json!({"id": "once"}));
        (runs["entries"][0]["status"] == "ok").then_some(())
    });
    service.kill();
    let service = rig.scene.start();
    service.idle();
    assert_eq!(rig.announced().len(), 2, "{:?}", rig.told());
    let asked: Vec<String> = rig.model.asked();
    assert_eq!(
        (asked.len(), &asked[1]),
        (3, &asked[2]),
        "the turn that was cut off is asked again"
    );
    service.stop();
}
