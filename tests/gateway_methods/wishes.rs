//! What the writer of a config wants besides: a beginning after a while, and that an agent is told.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::kit::{Home, until};
use super::wire::Wire;

fn call(home: &Home, method: &str, params: &Value) -> Result<Value, String> {
    Wire::connect(&home.socket()).ok_or("closed")?.call(method, params)
}

fn done(home: &Home) -> Option<u64> {
    let stability = call(home, "diagnostics.stability", &json!({})).ok()?;
    stability["lives"]["restartsAskedFor"].as_u64()
}

fn change(home: &Home, raw: &str, besides: &Value) -> Result<Value, String> {
    let mut params = json!({
        "raw": raw, "baseHash": call(home, "config.get", &json!({})).unwrap()["hash"],
    });
    params.as_object_mut().unwrap().extend(besides.as_object().unwrap().clone());
    call(home, "config.patch", &params)
}

#[test]
fn a_change_counts_after_the_time_its_writer_names() {
    let home = Home::new();
    home.configure("{agents: {entries: {main: {default: true}}}}");
    let service = home.start(&[]);
    let begun = Instant::now();
    let far =
        change(&home, "{agents: {entries: {one: {}}}}", &json!({"restartDelayMs": 3_600_000}));
    assert_eq!(far.unwrap()["restart"]["delayMs"], 3_600_000);
    let soon = change(&home, "{agents: {entries: {two: {}}}}", &json!({"restartDelayMs": 4_000}));
    assert_eq!(soon.unwrap()["restart"]["delayMs"], 4_000);
    assert_eq!(done(&home), Some(0), "not at once");
    until("it has begun anew", || (done(&home)? == 1).then_some(()));
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    let agents = call(&home, "agents.list", &json!({})).unwrap()["agents"].to_string();
    assert!(agents.contains("\"one\"") && agents.contains("\"two\""), "{agents}");
    // A change that is not made begins nothing.
    let error = change(&home, "{agents: 5}", &json!({"restartDelayMs": 0})).unwrap_err();
    assert!(error.contains("agents"), "{error}");
    let error = change(&home, "{}", &json!({"restartDelayMs": 90_000_000})).unwrap_err();
    assert!(error.contains("restartDelayMs"), "{error}");
    assert_eq!(done(&home), Some(1));
    service.stop();
}

// The note is durable with the answer: the next turn is told, in whatever life.
#[test]
fn an_agent_is_told_once_why_the_config_was_changed() {
    let home = Home::new();
    home.configure("{agents: {defaults: {model: 'echo/echo'}, entries: {main: {default: true}}}}");
    let service = home.start(&[]);
    let wrong = json!({"note": "more agents", "sessionKey": "agent:nobody:main"});
    let error = change(&home, "{agents: {entries: {one: {}}}}", &wrong).unwrap_err();
    assert!(error.contains("nobody"), "{error}");
    assert!(
        !std::fs::read_to_string(home.state_dir().join("telson.json")).unwrap().contains("one")
    );
    let note = json!({"note": "more agents", "sessionKey": "agent:main:main"});
    let answer = change(&home, "{agents: {entries: {one: {}}}}", &note).unwrap();
    assert_eq!(
        (&answer["notApplied"], &answer["restart"]["delayMs"]),
        (&Value::Null, &Value::Null)
    );
    service.kill();
    let service = home.start(&[]);
    for key in ["a", "b"] {
        let send =
            json!({"sessionKey": "agent:main:main", "message": "hello", "idempotencyKey": key});
        call(&home, "chat.send", &send).unwrap();
        service.idle();
    }
    let history = call(&home, "chat.history", &json!({"sessionKey": "agent:main:main"})).unwrap();
    let told = history["messages"].to_string().matches("config was changed: more agents").count();
    assert_eq!(told, 1, "{history}");
    service.stop();
}
