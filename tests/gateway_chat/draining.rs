//! What clients are told while the gateway comes to its end.

use serde_json::json;

use crate::client::{message, text_of};
use crate::kit::until;
use crate::rig::{Rig, client};
use crate::wire::Wire;

#[tokio::test]
async fn nothing_new_is_begun_while_what_is_under_way_is_finished() {
    let rig = Rig::new();
    let service = rig.start();
    let mut ann = client(&service).await;
    ann.send("main", "[[hold]] the last of this life", "k-1").await;
    until("the model is asked", || (rig.model.asked("[[hold]]") == 1).then_some(()));
    ann.call("gateway.restart.request", json!({})).await.unwrap();
    until("the engine drains", || {
        service.log().contains("finishing what is under way").then_some(())
    });
    let late = message("main", "too late for this life", "k-2");
    let to_agent = json!({"message": "too late", "idempotencyKey": "k-3"});
    let to_session = json!({"key": "main", "message": "too late", "idempotencyKey": "k-4"});
    let to_tool = json!({"name": "read", "args": {}});
    let to_node = json!({"nodeId": "n", "command": "x", "idempotencyKey": "k-5"});
    // The drain may be said a moment before it begins; from then on everything is refused.
    let refused = loop {
        match ann.call("chat.send", late.clone()).await {
            Ok(answer) => assert_eq!(answer["runId"], "k-2", "{answer}"),
            Err(error) => break error,
        }
    };
    for (method, params) in [
        ("chat.send", &late),
        ("agent", &to_agent),
        ("sessions.send", &to_session),
        ("tools.invoke", &to_tool),
        ("node.invoke", &to_node),
    ] {
        let error = ann.call(method, params.clone()).await.unwrap_err();
        assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));
        assert_eq!(error["details"], json!({"method": method, "reason": "gateway-restarting"}));
    }
    assert!(refused["retryAfterMs"].is_u64(), "{refused}");
    // Who is here sees how it ends.
    ann.call("chat.history", json!({"sessionKey": "main"})).await.unwrap();
    rig.model.release();
    assert_eq!(ann.ending("k-1").await["state"], "final");
    until("it has begun anew", || {
        let mut wire = Wire::connect(&rig.home.socket())?;
        let stability = wire.call("diagnostics.stability", &json!({})).ok()?;
        (stability["lives"]["restartsAskedFor"] == 1).then_some(())
    });
    let mut ann = client(&service).await;
    let answer = ann.call("chat.send", late.clone()).await.unwrap();
    if answer["status"] == "started" {
        ann.ending("k-2").await;
    }
    let history = ann.history("main").await;
    let said = history.iter().filter(|it| text_of(it).contains("echo: too late for this")).count();
    assert_eq!(said, 1, "{history:?}");
    assert_eq!(rig.model.asked("too late"), 1);
    service.stop();
}
