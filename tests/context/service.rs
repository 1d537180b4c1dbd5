//! The real program over the real wire: its workspace, its summaries under SIGKILL, its bill.

use serde_json::{Value, json};

use crate::kit::until;
use crate::mock::{Api, Kind, Mock, ticket, tickets};
use crate::scene::{Friend, Scene};

/// A service whose model is the mock, with more settings for its agents.
fn scene(mock: &Mock, defaults: &Value) -> Scene {
    let scene = Scene::new();
    let path = scene.home.state_dir().join("telson.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["models"] = json!({"providers": {"mock": {
        "baseUrl": mock.url(), "api": "openai-completions",
        "models": [{"id": "m", "cost": {"input": 3, "output": 15.5}}],
    }}});
    config["agents"]["defaults"] = defaults.clone();
    config["agents"]["defaults"]["model"] = json!("mock/m");
    scene.home.configure(&config.to_string());
    scene
}

/// Says something and waits for the answer to it.
fn say(scene: &Scene, friend: &Friend, number: usize, words: usize) {
    scene.say(friend, &ticket(number, words));
    answered(scene, friend, number);
}

fn answered(scene: &Scene, friend: &Friend, number: usize) {
    let wanted = format!("Answer to T-{number}0042.");
    until("the message is answered", || {
        scene.texts_to(friend).iter().any(|text| text.contains(&wanted)).then_some(())
    });
}

#[test]
fn what_stands_in_the_workspace_is_what_the_next_turn_begins_with() {
    let mock = Mock::start(Api::OpenAi, usize::MAX);
    let scene = scene(&mock, &json!({"bootstrapMaxChars": 400}));
    let workspace = scene.home.state_dir().join("workspace");
    std::fs::create_dir_all(&workspace).unwrap();
    let write = |name: &str, text: &str| std::fs::write(workspace.join(name), text).unwrap();
    write("AGENTS.md", "You live in a lighthouse.");
    write("SOUL.md", &"very ".repeat(500));
    // No file at all, and one that would be waited for for ever.
    std::fs::create_dir(workspace.join("USER.md")).unwrap();
    let pipe = workspace.join("IDENTITY.md");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let friend = scene.friend("+15550100001");
    let service = scene.start();
    say(&scene, &friend, 1, 1);
    let body = mock.books().pop().unwrap().body;
    for part in [
        "You live in a lighthouse.",
        "characters left out",
        "USER.md\\n\\n[not readable: not a file]",
        "IDENTITY.md\\n\\n[not readable: not a file]",
        "[Not there: TOOLS.md]",
    ] {
        assert!(body.contains(part), "{part} is in {body}");
    }
    assert!(body.matches("very ").count() < 100, "no more than its share");
    write("AGENTS.md", "You live in a castle.");
    say(&scene, &friend, 2, 1);
    let body = mock.books().pop().unwrap().body;
    assert!(body.contains("in a castle") && !body.contains("lighthouse"), "{body}");
    service.stop();
}

// D7, with the real SIGKILL: while the summary is written, and while its turn goes on behind it.
#[test]
fn a_service_killed_around_a_summary_pays_it_once() {
    for hang_on in [Kind::Summary, Kind::Answer] {
        let mock = Mock::start(Api::OpenAi, 20_000);
        let scene = scene(&mock, &json!({}));
        let friend = scene.friend("+15550100001");
        let service = scene.start();
        let mut number = 0;
        while mock.books().last().is_none_or(|call| call.body.len() + 4000 < 20_000) {
            number += 1;
            say(&scene, &friend, number, 300);
        }
        mock.hang_on(hang_on);
        number += 1;
        scene.say(&friend, &ticket(number, 300));
        until("the model hangs", || (mock.count(Kind::Hung) == 1).then_some(()));
        service.kill();
        let service = scene.start();
        answered(&scene, &friend, number);
        say(&scene, &friend, number + 1, 1);
        service.idle();
        assert_eq!(mock.count(Kind::Summary), 1, "paid once, killed in {hang_on:?}");
        let last = mock.books().pop().unwrap().body;
        assert!(tickets(&last).contains(&"T-10042".to_owned()), "{last}");
        assert_eq!(scene.texts().len(), number + 1, "each message is answered once");
        // The bill is the model's own.
        let (code, usage) = scene.home.ask_json(&["usage", "--days", "2"]);
        assert_eq!(code, 0, "{usage}");
        let (calls, input, output) = mock.paid();
        let total = &usage["total"];
        assert_eq!(
            (
                total["calls"].as_u64(),
                total["inputTokens"].as_u64(),
                total["outputTokens"].as_u64()
            ),
            (Some(calls), Some(input), Some(output)),
        );
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let cost = (input as f64 * 3.0 + output as f64 * 15.5) / 1e6;
        assert!((total["costUsd"].as_f64().unwrap() - cost).abs() < 2e-6, "{total} is {cost}");
        let text = scene.home.ask(&["usage"]).out;
        assert!(text.contains("mock/m") && text.contains("total"), "{text}");
        service.stop();
    }
}

#[test]
fn a_budget_in_dollars_stops_the_real_thing() {
    let mock = Mock::start(Api::OpenAi, usize::MAX);
    let scene = scene(&mock, &json!({}));
    let path = scene.home.state_dir().join("telson.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["usage"] = json!({"budget": {"perSessionDay": {"usd": 0.0001}}});
    scene.home.configure(&config.to_string());
    let friend = scene.friend("+15550100001");
    let service = scene.start();
    say(&scene, &friend, 1, 1);
    scene.say(&friend, &ticket(2, 1));
    until("the person is told", || {
        scene
            .texts_to(&friend)
            .iter()
            .any(|text| text.contains("budget of this conversation"))
            .then_some(())
    });
    assert_eq!(mock.books().len(), 1, "the second call is not made");
    service.stop();
}
