//! An idempotency key names one message: used for another session, it is refused and loses nothing.

use serde_json::{Value, json};

use crate::client::{Client, message};
use crate::rig::{Rig, client};

/// What is refused, and says which sessions are meant.
fn assert_names_both(error: &Value, key: &str) {
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    let text = error["message"].as_str().unwrap();
    for part in [key, "agent:main:main", "agent:main:notes", "a key of its own"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert_eq!(error["details"]["sessionKey"], "agent:main:main", "{error}");
}

async fn refuses(client: &mut Client, key: &str) {
    let asked = [
        ("chat.send", message("notes", "two [#2]", key)),
        ("sessions.send", json!({"key": "notes", "message": "two [#2]", "idempotencyKey": key})),
        ("agent", json!({"sessionKey": "notes", "message": "two [#2]", "idempotencyKey": key})),
    ];
    for (method, params) in asked {
        let error = client.call(method, params).await.unwrap_err();
        assert_names_both(&error, key);
    }
}

// D5: the first message is answered once, the other one never begins, in this life and in the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_session_is_refused_and_names_both() {
    let rig = Rig::new();
    let service = rig.start();
    let mut one = client(&service).await;
    one.send("main", "one [#1] [[hold]]", "k").await;
    refuses(&mut one, "k").await;
    rig.model.release();
    assert_eq!(one.ending("k").await["state"], "final");
    refuses(&mut one, "k").await;
    service.kill();
    let service = rig.start();
    let mut one = client(&service).await;
    refuses(&mut one, "k").await;
    assert_eq!(one.send("main", "one [#1] [[hold]]", "k").await["status"], "ok");
    one.send("notes", "two [#2]", "own").await;
    assert_eq!(one.ending("own").await["sessionKey"], "agent:main:notes");
    assert_eq!((rig.model.asked("[#1]"), rig.model.asked("[#2]")), (1, 1));
    assert_eq!(one.history("notes").await.len(), 2);
    service.stop();
}

// The same at once: one of them wins, the other one is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sessions_that_use_a_key_at_once_one_is_refused() {
    let rig = Rig::new();
    let service = rig.start();
    let (mut one, mut two) = (client(&service).await, client(&service).await);
    for round in 0..20 {
        let key = format!("k{round}");
        let first = one.ask("chat.send", message("main", "a [#a]", &key)).await;
        let second = two.ask("chat.send", message("notes", "b [#b]", &key)).await;
        let answers = [one.answer(&first).await, two.answer(&second).await];
        let begun = answers.iter().filter(|it| it.is_ok()).count();
        assert_eq!(begun, 1, "{answers:?}");
        let refused = answers.iter().find_map(|it| it.as_ref().err()).unwrap();
        assert_eq!(refused["code"], "INVALID_REQUEST", "{refused}");
        one.ending(&key).await;
    }
    assert_eq!(rig.model.asked("[#a]") + rig.model.asked("[#b]"), 20);
    service.stop();
}

// Another text under a used key would be told that it went well, and be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_text_is_refused_while_it_runs_and_after_it() {
    let rig = Rig::new();
    let service = rig.start();
    let mut one = client(&service).await;
    one.send("main", "one [#1] [[hold]]", "k").await;
    let other = [
        ("chat.send", message("main", "two [#2]", "k")),
        ("sessions.send", json!({"key": "main", "message": "two [#2]", "idempotencyKey": "k"})),
        ("agent", json!({"sessionKey": "main", "message": "two [#2]", "idempotencyKey": "k"})),
    ];
    for is_ended in [false, true] {
        if is_ended {
            rig.model.release();
            assert_eq!(one.ending("k").await["state"], "final");
        }
        for (method, params) in &other {
            let error = one.call(method, params.clone()).await.unwrap_err();
            let text = error["message"].as_str().unwrap();
            assert!(text.contains("another text"), "{method}: {error}");
            assert_eq!(error["details"]["code"], "IDEMPOTENCY_KEY_REUSED", "{error}");
        }
        let status = if is_ended { "ok" } else { "in_flight" };
        assert_eq!(one.send("main", "one [#1] [[hold]]", "k").await["status"], status);
    }
    assert_eq!((rig.model.asked("[#1]"), rig.model.asked("[#2]")), (1, 0));
    service.stop();
}

// The same at once: which of them is the first is known only when it is admitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_texts_that_use_a_key_at_once_one_is_refused() {
    let rig = Rig::new();
    let service = rig.start();
    let (mut one, mut two) = (client(&service).await, client(&service).await);
    for round in 0..20 {
        let key = format!("k{round}");
        let first = one.ask("chat.send", message("main", "a [#a]", &key)).await;
        let second = two.ask("chat.send", message("main", "b [#b]", &key)).await;
        let answers = [one.answer(&first).await, two.answer(&second).await];
        let begun = answers.iter().filter(|it| it.is_ok()).count();
        assert_eq!(begun, 1, "{answers:?}");
        let refused = answers.iter().find_map(|it| it.as_ref().err()).unwrap();
        assert_eq!(refused["details"]["code"], "IDEMPOTENCY_KEY_REUSED", "{refused}");
        one.ending(&key).await;
    }
    assert_eq!(rig.model.asked("[#a]") + rig.model.asked("[#b]"), 20);
    service.stop();
}
