//! What people may do whom a proxy or Tailscale names: as operators, on their own connections.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// What an HTTP request is answered with by somebody whom the proxy names.
async fn status(gateway: &Gateway, request: &str, most: Option<&str>) -> String {
    let address = gateway.url().replace("ws://", "");
    let mut stream = TcpStream::connect(address.trim_end_matches('/')).await.unwrap();
    let most = most.map_or_else(String::new, |most| format!("x-openclaw-scopes: {most}\r\n"));
    let text = format!(
        "{request} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nx-user: bob\r\n{most}\
         x-forwarded-for: 203.0.113.7\r\ncontent-type: application/json\r\n\
         content-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

// X1
#[tokio::test]
async fn whom_the_proxy_limits_is_limited_over_http_too() {
    let endpoints = "http: {endpoints: {chatCompletions: {enabled: true}}}";
    let config = CONFIG.replacen("{gateway: {", &format!("{{gateway: {{{endpoints}, "), 1);
    let gateway = Gateway::with(&config);
    let (call, chat) = ("POST /tools/invoke", "POST /v1/chat/completions");
    let (models, metrics) = ("GET /v1/models", "GET /api/diagnostics/prometheus");
    for (most, expected) in [
        (None, ["400", "400", "200", "200"]),
        (Some("operator.admin"), ["400", "400", "200", "200"]),
        (Some("operator.write"), ["400", "400", "200", "200"]),
        (Some("operator.read"), ["403", "403", "200", "200"]),
        (Some("operator.pairing"), ["403", "403", "403", "403"]),
        (Some(""), ["403", "403", "403", "403"]),
    ] {
        for (request, expected) in [call, chat, models, metrics].into_iter().zip(expected) {
            assert_eq!(status(&gateway, request, most).await, expected, "{request} {most:?}");
        }
    }
    gateway.service.stop();
}

// X1
#[tokio::test]
async fn a_device_is_limited_also_where_the_proxy_names_nobody() {
    let gateway = Gateway::with(CONFIG);
    let (mut ann, _) = page(&gateway, "ann@example.com", None).await;
    let device = Device::new(8);
    let mut params = connect("openclaw-ios", "ui", &["operator.read", "operator.write"]);
    params["auth"] = json!({});
    let asked = knock(&gateway, "carl", None).await.connect_as(&device, params.clone()).await;
    let approve = json!({"requestId": asked["error"]["details"]["requestId"]});
    ann.call("device.pair.approve", approve).await.unwrap();
    let answer = knock(&gateway, "carl", None).await.connect_as(&device, params.clone()).await;
    assert_eq!(scopes(&answer), ["operator.read", "operator.write"], "{answer}");
    params["auth"] = json!({"deviceToken": answer["payload"]["auth"]["deviceToken"]});
    let far = ("x-forwarded-for", "203.0.113.7");
    let read = ("x-openclaw-scopes", "operator.read");
    for headers in [&[far, read][..], &[far, ("x-user", "carl"), ("x-user", "ann"), read]] {
        let mut client = gateway.knock_with(headers).await.unwrap();
        let answer = client.connect_as(&device, params.clone()).await;
        assert_eq!(scopes(&answer), ["operator.read"], "{answer}");
    }
    gateway.service.stop();
}
