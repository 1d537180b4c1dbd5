//! Every method against every level of rights: a method that is added later is in it by itself.

use serde_json::{Value, json};
use telson::methods::{Caller, Role, Scope, methods, rights};

use crate::kit::{Client, Device, Gateway, connect, scopes};

/// The levels, with what each includes, written out.
const LEVELS: [(&str, &[&str], &[&str]); 6] = [
    ("nothing", &[], &[]),
    ("read", &["operator.read"], &["operator.read"]),
    ("write", &["operator.write"], &["operator.read", "operator.write"]),
    (
        "admin",
        &["operator.admin"],
        &[
            "operator.read",
            "operator.write",
            "operator.admin",
            "operator.approvals",
            "operator.pairing",
        ],
    ),
    ("approvals", &["operator.approvals"], &["operator.approvals"]),
    ("pairing", &["operator.pairing"], &["operator.pairing"]),
];

/// How a method refuses somebody without its right.
fn is_refused(error: &Value) -> bool {
    let is_missing = error["code"] == "FORBIDDEN" && error["details"]["code"] == "MISSING_SCOPE";
    is_missing || error["message"].as_str().unwrap_or_default().starts_with("unauthorized role:")
}

/// What a method needs of a caller with no parameters that reach further.
fn need(name: &str) -> (Role, &'static str) {
    let method = methods().find(|method| method.name == name).unwrap();
    (rights::role_of(name), rights::needed(method, &json!({})).name())
}

// CVE-2026-25593: nobody is let through for where he calls from.
#[tokio::test]
async fn every_method_refuses_every_level_below_its_own() {
    let gateway = Gateway::start();
    let mut refusals = 0;
    for (level, held, includes) in LEVELS {
        let mut client = gateway.operator(held).await;
        for method in methods() {
            let (role, needed) = need(method.name);
            if role == Role::Operator && includes.contains(&needed) {
                continue;
            }
            let error = client.call(method.name, json!({})).await.unwrap_err();
            assert!(is_refused(&error), "{} with {level}: {error}", method.name);
            refusals += 1;
        }
    }
    assert!(refusals > 0);
}

#[tokio::test]
async fn a_node_calls_no_method_of_an_operator() {
    let gateway = Gateway::start();
    let mut params = connect("node-host", "node", &["operator.admin"]);
    params["role"] = json!("node");
    let mut node = gateway.knock().await;
    let answer = node.connect_as(&Device::new(1), params).await;
    assert!(scopes(&answer).is_empty());
    for method in methods().filter(|method| rights::role_of(method.name) == Role::Operator) {
        let error = node.call(method.name, json!({})).await.unwrap_err();
        assert!(is_refused(&error), "{}: {error}", method.name);
    }
}

#[tokio::test]
async fn before_the_handshake_every_method_is_refused() {
    let gateway = Gateway::start();
    for method in methods() {
        let mut stranger: Client = gateway.knock().await;
        let frame = json!({"type": "req", "id": "1", "method": method.name, "params": {}});
        stranger.say(&frame.to_string()).await;
        let answer = stranger.hear().await.unwrap();
        let text = "invalid handshake: first request must be connect";
        assert_eq!(answer["error"]["message"], text, "{}", method.name);
        assert_eq!(stranger.end().await.0, 1008);
    }
}

#[tokio::test]
async fn every_level_may_call_what_it_includes() {
    let gateway = Gateway::start();
    for (level, held, includes) in LEVELS {
        let caller =
            Caller::operator(level, held.iter().filter_map(|it| Scope::named(it)).collect());
        for method in methods() {
            let (role, needed) = need(method.name);
            let is_allowed = role == Role::Operator && includes.contains(&needed);
            let checked = rights::check(method, &json!({}), &caller);
            assert_eq!(checked.is_ok(), is_allowed, "{} with {level}", method.name);
        }
    }
    // What only looks, also over the wire; it may lack parameters, but never a right.
    let mut reader = gateway.operator(&["operator.read"]).await;
    let looks = methods().filter(|method| need(method.name) == (Role::Operator, "operator.read"));
    for method in looks {
        let answer = reader.call(method.name, json!({})).await;
        assert!(answer.as_ref().err().is_none_or(|error| !is_refused(error)), "{}", method.name);
    }
}
