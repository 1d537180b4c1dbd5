//! Running an agent: answered twice under one id, and waited for.

use serde_json::json;

use crate::client::is_ending_of;
use crate::rig::{Rig, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_accepted_at_once_and_answers_under_the_same_id() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let params = json!({
        "message": "hello [#1] [[hold]]", "agentId": "main", "deliver": false, "timeout": 600,
        "idempotencyKey": "r1",
    });
    let id = client.ask("agent", params.clone()).await;
    let accepted = client.answer(&id).await.unwrap();
    assert_eq!((&accepted["status"], &accepted["runId"]), (&json!("accepted"), &json!("r1")));
    assert_eq!(accepted["sessionKey"], "agent:main:main");
    // Waiting ends nothing.
    let early = client.call("agent.wait", json!({"runId": "r1", "timeoutMs": 50})).await.unwrap();
    assert_eq!(early, json!({"runId": "r1", "status": "timeout"}));
    let waits = client.ask("agent.wait", json!({"runId": "r1"})).await;
    rig.model.release();
    let last = client.answer(&id).await.unwrap();
    assert_eq!((&last["status"], &last["summary"]), (&json!("ok"), &json!("completed")));
    let text = "echo: hello [#1] [[hold]]";
    assert_eq!(last["result"]["payloads"], json!([{"text": text, "mediaUrl": null}]));
    let waited = client.answer(&waits).await.unwrap();
    assert_eq!(waited["status"], "ok");
    assert!(waited["endedAt"].as_i64() >= waited["startedAt"].as_i64(), "{waited}");
    // Its key is used: the same answer, from the store, and only that.
    let again = client.call("agent", params).await.unwrap();
    assert_eq!(again["result"]["payloads"][0]["text"], text);
    client.ending("r1").await;
    assert!(!client.rest().await.iter().any(|event| is_ending_of(event, "r1")));
    assert_eq!(rig.model.ledger().len(), 1);
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_fails_says_why_and_a_wait_may_be_short() {
    let rig = Rig::new();
    let service = rig.start();
    let mut client = client(&service).await;
    let run = |text: &str, key: &str| json!({"message": text, "idempotencyKey": key, "timeout": 1});
    let id = client.ask("agent", run("x [[fail]]", "r1")).await;
    assert_eq!(client.answer(&id).await.unwrap()["status"], "accepted");
    let error = client.answer(&id).await.unwrap_err();
    assert_eq!((&error["code"], &error["details"]["runId"]), (&json!("UNAVAILABLE"), &json!("r1")));
    assert!(error["message"].as_str().unwrap().contains("no such model"), "{error}");
    let id = client.ask("agent", run("y [#2] [[hold]]", "r2")).await;
    assert_eq!(client.answer(&id).await.unwrap()["status"], "accepted");
    assert_eq!(client.answer(&id).await.unwrap()["status"], "timeout");
    rig.model.release();
    assert_eq!(client.ending("r2").await["state"], "final", "the run went on");
    let error =
        client.call("agent", json!({"message": "x", "idempotencyKey": "r3", "model": "other"}));
    assert!(error.await.unwrap_err()["message"].as_str().unwrap().contains("/model"));
    service.stop();
}
