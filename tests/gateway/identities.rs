//! What people may do whom a proxy or Tailscale names: as operators, on their own connections.

use serde_json::{Value, json};

use crate::kit::{ALL, Client, Device, Gateway, TOKEN, connect, refused, scopes};

const CONFIG: &str = "{gateway: {trustedProxies: ['127.0.0.1'], auth: {mode: 'trusted-proxy',
    trustedProxy: {userHeader: 'X-User', allowLoopback: true},
    identityScopes: {'Ann@Example.com': ['operator.admin'], bob: ['operator.read']}}}}";

/// Somebody behind the proxy, with what the proxy says of them.
async fn knock(gateway: &Gateway, who: &str, most: Option<&str>) -> Client {
    let mut headers = vec![("x-forwarded-for", "203.0.113.7"), ("x-user", who)];
    headers.extend(most.map(|most| ("x-openclaw-scopes", most)));
    gateway.knock_with(&headers).await.unwrap()
}

/// The page without a device, which asks for everything.
async fn page(gateway: &Gateway, who: &str, most: Option<&str>) -> (Client, Value) {
    let mut client = knock(gateway, who, most).await;
    let mut params = connect("openclaw-control-ui", "webchat", &ALL);
    params["auth"] = json!({});
    let answer = client.connect(params).await;
    (client, answer)
}

// X1
#[tokio::test]
async fn what_a_person_is_given_counts_for_the_connection_and_is_kept_nowhere() {
    let gateway = Gateway::with(CONFIG);
    let (mut ann, answer) = page(&gateway, "ann@example.com", None).await;
    assert_eq!(scopes(&answer), ["operator.admin"], "{answer}");
    ann.call("config.get", json!({})).await.unwrap();
    let (mut bob, answer) = page(&gateway, "bob", None).await;
    assert_eq!(scopes(&answer), ["operator.read"]);
    bob.call("sessions.list", json!({})).await.unwrap();
    let error = bob.call("set-heartbeats", json!({"enabled": true})).await.unwrap_err();
    assert_eq!(error["details"]["code"], "MISSING_SCOPE", "{error}");
    for nobody in ["Bob", "ann", "carl"] {
        let (_, answer) = page(&gateway, nobody, None).await;
        assert_eq!((&answer["ok"], scopes(&answer).len()), (&json!(true), 0), "{nobody}");
    }
    // The proxy only narrows, also what the config gives.
    for (most, expected) in [("operator.read", vec!["operator.read"]), ("", vec![])] {
        let (_, answer) = page(&gateway, "ann@example.com", Some(most)).await;
        assert_eq!(scopes(&answer), expected, "{most:?}");
    }
    let (_, answer) = page(&gateway, "carl", Some("operator.admin")).await;
    assert!(scopes(&answer).is_empty(), "a header gives nothing");

    // A device is approved with less, and keeps it: the person's rights come and go with the person.
    let device = Device::new(7);
    let mut client = knock(&gateway, "ann@example.com", Some("operator.read")).await;
    let mut params = connect("cli", "cli", &ALL);
    params["auth"] = json!({});
    let asked = client.connect_as(&device, params.clone()).await;
    assert_eq!(refused(&asked), "PAIRING_REQUIRED", "{asked}");
    let approve = json!({"requestId": asked["error"]["details"]["requestId"]});
    ann.call("device.pair.approve", approve).await.unwrap();
    let mut client = knock(&gateway, "ann@example.com", None).await;
    let answer = client.connect_as(&device, params.clone()).await;
    assert_eq!(scopes(&answer), ["operator.read", "operator.admin"], "{answer}");
    client.call("config.get", json!({})).await.unwrap();
    let listed = ann.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(listed["pending"], json!([]), "nothing more was asked for: {listed}");
    assert_eq!(listed["paired"][0]["scopes"], json!(["operator.read"]), "{listed}");
    let mut client = knock(&gateway, "carl", None).await;
    let refusal = client.connect_as(&device, params).await;
    assert_eq!(refused(&refusal), "PAIRING_REQUIRED", "the same device in other hands");
    gateway.service.stop();
}

#[tokio::test]
async fn a_secret_is_no_name() {
    let given = "identityScopes: {ann: ['operator.admin']}";
    let gateway = Gateway::with(&format!("{{gateway: {{auth: {{token: '{TOKEN}', {given}}}}}}}"));
    let mut client = gateway.knock_with(&[("x-user", "ann")]).await.unwrap();
    let answer = client.connect(connect("webchat-ui", "webchat", &ALL)).await;
    assert!(scopes(&answer).is_empty(), "{answer}");
    gateway.service.stop();
}
