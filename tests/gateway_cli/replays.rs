//! A message or a reply that was put back to work has one history, whichever of its numbers is
//! asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::kit::{Home, Process, until};
use crate::model_server::Server;
use crate::scene::Scene;

/// The only journey that a number names.
fn only(service: &Process, number: &str) -> Value {
    let answer = service.call("telson.why", &json!({"query": number}));
    assert_eq!(answer["total"], 1, "{number}: {answer}");
    answer["journeys"][0].clone()
}

#[test]
fn a_replayed_message_is_found_by_its_old_number_its_new_one_and_that_of_the_dead_letter() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |it| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => it.document("400 Bad Request", &json!({"error": {"message": "not that"}})),
        _ => it.whole(&json!({"role": "assistant", "content": "at last"})),
    });
    let home = Home::new();
    home.configure(
        &json!({
            "models": {"providers": {"picky": {
                "baseUrl": server.url(), "api": "openai-completions", "models": [{"id": "m"}],
            }}},
            "agents": {"defaults": {"model": "picky/m"}},
        })
        .to_string(),
    );
    let service = home.start(&[]);
    let message = json!({"sessionKey": "main", "message": "[#1] plese", "idempotencyKey": "k"});
    service.call("chat.send", &message);
    let (mut numbers, mut letters) = (Vec::new(), Vec::new());
    for text in [None, Some("[#1] please")] {
        let letter = service.dead_letters(1)[0]["id"].as_str().unwrap().to_owned();
        let shown = service.call("telson.deadLetters.show", &json!({"id": letter}));
        numbers.push(shown["message"].as_str().unwrap().to_owned());
        let params = json!({"id": letter, "text": text});
        service.call("telson.deadLetters.replay", &params);
        until("it has ended again, under another number", || {
            let journey = service.journey("[#1]");
            let is_new = journey["message"]["id"] != numbers[numbers.len() - 1].as_str();
            (is_new && journey["state"] != "waiting").then_some(())
        });
        letters.push(letter);
    }
    let journey = service.journey("[#1]");
    assert_eq!(journey["state"], "answered", "{journey}");
    numbers.push(journey["message"]["id"].as_str().unwrap().to_owned());
    for number in numbers.iter().chain(&letters) {
        let found = only(&service, number);
        assert_eq!(found, journey, "{number}");
    }
    let replayed = journey["replayed"].as_array().unwrap();
    assert_eq!(replayed.len(), 2, "{journey}");
    for (at, replay) in replayed.iter().enumerate() {
        assert_eq!(
            (&replay["dead_letter"], &replay["was"]),
            (&json!(letters[at]), &json!(numbers[at]))
        );
        assert!(replay["reason"].as_str().unwrap().contains("not that"), "{replay}");
    }
    assert_eq!((&replayed[0]["said"], &replayed[1]["said"]), (&Value::Null, &json!("[#1] plese")));
    let shown = home.ask(&["why", &letters[0]]).out;
    for part in [
        format!("replayed from dead letter {}, which was {}", letters[0], numbers[0]),
        format!("replayed from dead letter {}, which was {}", letters[1], numbers[1]),
        "and said \"[#1] plese\"".to_owned(),
    ] {
        assert!(shown.contains(&part), "{part} in {shown}");
    }
    service.stop();
}

#[test]
fn a_replayed_reply_is_told_with_what_it_was() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    scene.say(&anna, "[#1] [[imsg:fail22,ok]]");
    let letter = service.dead_letters(1)[0]["id"].as_str().unwrap().to_owned();
    let shown = service.call("telson.deadLetters.show", &json!({"id": letter}));
    let before = shown["entry"].as_str().unwrap().to_owned();
    assert_eq!(scene.home.ask(&["dead-letters", "replay", &letter]).code, 0);
    let journey = until("the reply is out", || {
        let journey = service.journey("[#1]");
        (journey["state"] == "answered").then_some(journey)
    });
    let entry = &journey["entries"][0];
    let replay = &entry["replayed"][0];
    assert_eq!((&replay["dead_letter"], &replay["was"]), (&json!(letter), &json!(before)));
    let after = entry["id"].as_str().unwrap();
    assert_ne!(after, before);
    for number in [letter.as_str(), &before, after] {
        assert_eq!(only(&service, number), journey, "{number}");
    }
    service.stop();
}
