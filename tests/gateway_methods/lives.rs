//! Ends and beginnings: told, asked for, and costing no message.

use serde_json::{Value, json};

use super::client::{Client, serve};
use super::kit::{Home, until};
use super::wire::Wire;

fn stability(home: &Home) -> Option<Value> {
    Wire::connect(&home.socket())?.call("diagnostics.stability", &json!({})).ok()
}

#[test]
fn how_the_service_has_ended_is_told() {
    let home = Home::new();
    let service = home.start(&[]);
    let first = stability(&home).unwrap();
    assert_eq!(
        first["lives"],
        json!({"starts": 1, "cleanEnds": 0, "uncleanEnds": 0,
        "wasInterrupted": false, "restartsAskedFor": 0})
    );
    assert_eq!((&first["panics"], &first["deadLetters"]), (&json!(0), &json!(0)));
    service.kill();
    let service = home.start(&[]);
    let second = stability(&home).unwrap();
    assert_eq!(second["lives"]["wasInterrupted"], true);
    service.stop();
    let service = home.start(&[]);
    service.kill();
    let service = home.start(&[]);
    let last = stability(&home).unwrap();
    assert_eq!(
        last["lives"],
        json!({"starts": 4, "cleanEnds": 1, "uncleanEnds": 2,
        "wasInterrupted": true, "restartsAskedFor": 0})
    );
    let events = last["events"].as_array().unwrap().len();
    assert_eq!(last["count"], json!(events));
    service.stop();
}

// D2, D5: what was acknowledged before a restart is answered once, by whichever engine.
#[tokio::test]
async fn a_restart_that_is_asked_for_loses_and_doubles_nothing() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "ui", "a").await;
    for number in 0..=20 {
        let params = json!({"sessionKey": format!("s{number}"),
            "message": format!("hello [#{number}]"), "idempotencyKey": format!("k{number}")});
        assert_eq!(client.call("chat.send", &params).await.unwrap()["status"], "started");
    }
    let ask = json!({"skipDeferral": true});
    assert_eq!(client.call("gateway.restart.request", &ask).await.unwrap()["ok"], true);
    client.event("shutdown", |_| true).await;
    until("it has begun anew", || {
        let lives = stability(&home)?["lives"].clone();
        (lives["restartsAskedFor"] == 1).then_some(())
    });
    service.idle();
    let mut wire = Wire::connect(&home.socket()).unwrap();
    for number in 0..=20 {
        let params = json!({"sessionKey": format!("s{number}"), "limit": 100});
        let history = wire.call("chat.history", &params).unwrap()["messages"].to_string();
        let mark = format!("[#{number}]");
        // The echo says it once more.
        assert_eq!(history.matches(&mark).count(), 2, "{mark}: {history}");
    }
    service.stop();
}

#[test]
fn a_config_that_could_not_be_started_with_restarts_nothing() {
    let home = Home::new();
    home.configure("{}");
    let service = home.start(&[]);
    home.configure("{agents: {defaults: {modle: 'x'}}}");
    let mut wire = Wire::connect(&home.socket()).unwrap();
    for method in ["gateway.restart.request", "secrets.reload"] {
        let error = wire.call(method, &json!({})).unwrap_err();
        assert!(error.contains("modle") && error.contains("INVALID_REQUEST"), "{method}: {error}");
    }
    for (params, part) in [
        (json!({"bogusProperty": 1}), "'bogusProperty'"),
        (json!({"target": {"pid": 1}}), "target"),
        (json!({"reason": 7}), "at reason"),
        (json!([]), "must be object"),
    ] {
        let error = wire.call("gateway.restart.request", &params).unwrap_err();
        assert!(error.contains(part), "{params}: {error}");
    }
    assert_eq!(stability(&home).unwrap()["lives"]["restartsAskedFor"], 0);
    let preflight = wire.call("gateway.restart.preflight", &json!({})).unwrap();
    assert_eq!((&preflight["safe"], &preflight["blockers"]), (&json!(true), &json!([])));
    service.stop();
}
