//! A session summed up from afar: the model is shown less, and nobody loses anything.

use serde_json::json;

use crate::model::Model;
use crate::rig::{Rig, client};

fn rig() -> Rig {
    let model = Model::start();
    let mut config = model.config();
    config["agents"]["defaults"]["compaction"] =
        json!({"recentTurnsPreserve": 1, "keepRecentTokens": 1});
    Rig::with(model, &config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_summed_up_once_there_is_something_to_sum_up() {
    let rig = rig();
    let service = rig.start();
    let mut client = client(&service).await;
    let unknown = client.call("sessions.compact", json!({"key": "main"})).await.unwrap();
    assert_eq!(unknown["compacted"], false, "{unknown}");
    assert_eq!(client.history("main").await.len(), 0, "looking makes no session");
    for number in 0..4 {
        let key = format!("k{number}");
        let text = format!("fact [#{number}] {}", "and so on ".repeat(40));
        client.send("main", &text, &key).await;
        client.ending(&key).await;
    }
    let before = rig.model.ledger().len();
    let done = client.call("sessions.compact", json!({"key": "main"})).await.unwrap();
    assert_eq!((&done["ok"], &done["compacted"]), (&json!(true), &json!(true)), "{done}");
    assert_eq!(done["key"], "agent:main:main");
    assert!(rig.model.ledger().len() > before, "a model wrote the summary");
    let again = client.call("sessions.compact", json!({"key": "main"})).await.unwrap();
    assert_eq!(again["compacted"], false);
    assert!(again["reason"].as_str().unwrap().contains("nothing to sum up"), "{again}");
    let history = client.history("main").await;
    for number in 0..4 {
        let mark = format!("[#{number}]");
        assert_eq!(crate::client::count(&history, "user", &mark), 1, "{history:#?}");
    }
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_answers_is_not_summed_up_meanwhile() {
    let rig = rig();
    let service = rig.start();
    let mut client = client(&service).await;
    client.send("main", "wait [[hold]]", "k").await;
    let error = client.call("sessions.compact", json!({"key": "main"})).await.unwrap_err();
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));
    let error = client.call("sessions.compact", json!({"key": "main", "maxLines": 5})).await;
    let error = error.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("maxLines"), "{error}");
    rig.model.release();
    assert_eq!(client.ending("k").await["state"], "final");
    service.stop();
}
