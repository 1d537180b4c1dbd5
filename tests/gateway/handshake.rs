//! Who is let in, with which rights, and in which words the others are refused.

use serde_json::{Value, json};

use crate::kit::{ALL, Client, Device, Gateway, TOKEN, connect, refused, scopes};

/// What is changed about a good `connect`, and how it is refused: code, message, the code of the
/// details, and of the end. As recorded from the incumbent.
type Case = (&'static str, fn(&mut Value), &'static str, &'static str, &'static str, u16);

const CASES: &[Case] = &[
    (
        "a wrong token",
        |it| it["auth"] = json!({"token": "wrong"}),
        "INVALID_REQUEST",
        "unauthorized: gateway token mismatch (provide gateway auth token)",
        "AUTH_TOKEN_MISMATCH",
        1008,
    ),
    (
        "an empty token",
        |it| it["auth"] = json!({"token": ""}),
        "NOT_PAIRED",
        "device identity required",
        "DEVICE_IDENTITY_REQUIRED",
        1008,
    ),
    (
        "no token",
        |it| it["auth"] = json!({}),
        "NOT_PAIRED",
        "device identity required",
        "DEVICE_IDENTITY_REQUIRED",
        1008,
    ),
    (
        "the right token in the wrong place",
        |it| it["auth"] = json!({"password": TOKEN, "deviceToken": TOKEN, "bootstrapToken": TOKEN}),
        "NOT_PAIRED",
        "device identity required",
        "DEVICE_IDENTITY_REQUIRED",
        1008,
    ),
    (
        "another version",
        |it| {
            it["minProtocol"] = json!(5);
            it["maxProtocol"] = json!(5);
        },
        "INVALID_REQUEST",
        "protocol mismatch",
        "PROTOCOL_MISMATCH",
        1002,
    ),
    (
        "an unknown program",
        |it| it["client"]["id"] = json!("my-own-client"),
        "INVALID_REQUEST",
        "invalid connect params: at /client/id: must be equal to one of the allowed values",
        "",
        1008,
    ),
    (
        "an unknown use",
        |it| it["client"]["mode"] = json!("operator"),
        "INVALID_REQUEST",
        "invalid connect params: at /client/mode: must be equal to one of the allowed values",
        "",
        1008,
    ),
    (
        "an unknown role",
        |it| it["role"] = json!("admin"),
        "INVALID_REQUEST",
        "invalid role",
        "",
        1008,
    ),
    (
        "a node without a device",
        |it| it["role"] = json!("node"),
        "NOT_PAIRED",
        "device identity required",
        "DEVICE_IDENTITY_REQUIRED",
        1008,
    ),
];

#[tokio::test]
async fn others_are_refused_in_the_incumbents_words() {
    let gateway = Gateway::start();
    for (name, change, code, message, details, close) in CASES {
        let mut params = connect("gateway-client", "backend", &ALL);
        change(&mut params);
        let mut client = gateway.knock().await;
        let answer = client.connect(params).await;
        assert_eq!(refused(&answer), *details, "{name}: {answer}");
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)), "{name}");
        let end = client.end().await;
        assert_eq!(end, (*close, message.chars().take(100).collect()), "{name}");
    }
    let mut client = gateway.knock().await;
    client.say(r#"{"type":"req","id":"1","method":"health","params":{}}"#).await;
    let answer = client.hear().await.unwrap();
    let text = "invalid handshake: first request must be connect";
    assert_eq!(answer["error"]["message"], text, "{answer}");
    assert_eq!(client.end().await, (1008, text.to_owned()));
    let mut client = gateway.knock().await;
    client.say("not json").await;
    assert_eq!(client.end().await, (1000, String::new()));
    let mut client = gateway.owner().await;
    let again = client.call("connect", connect("cli", "cli", &ALL)).await.unwrap_err();
    assert_eq!(again["message"], "connect is only valid as the first request");
    client.call("health", json!({})).await.expect("the connection stays");
}

#[tokio::test]
async fn every_fault_of_a_devices_proof_has_its_name() {
    type Fault = (fn(&mut Value), &'static str, &'static str);
    let faults: &[Fault] = &[
        (|it| it["nonce"] = json!("x"), "DEVICE_AUTH_NONCE_MISMATCH", "device nonce mismatch"),
        (|it| it["nonce"] = json!(""), "DEVICE_AUTH_NONCE_REQUIRED", "device nonce required"),
        (
            |it| it["signature"] = json!("A".repeat(86)),
            "DEVICE_AUTH_SIGNATURE_INVALID",
            "device signature invalid",
        ),
        (
            |it| it["signedAt"] = json!(1),
            "DEVICE_AUTH_SIGNATURE_EXPIRED",
            "device signature expired",
        ),
        (|it| it["id"] = json!("00"), "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device identity mismatch"),
        (
            |it| it["publicKey"] = json!("??"),
            "DEVICE_AUTH_PUBLIC_KEY_INVALID",
            "device public key invalid",
        ),
    ];
    let gateway = Gateway::start();
    for (change, code, message) in faults {
        let mut client = gateway.knock().await;
        let params = connect("cli", "cli", &ALL);
        let mut params = Device::new(1).sign(params, &client.nonce, client.ts, 3);
        change(&mut params["device"]);
        let answer = client.connect(params).await;
        assert_eq!((refused(&answer), &answer["error"]["message"]), (*code, &json!(message)));
        assert_eq!(client.end().await, (1008, (*message).to_owned()));
    }
    // A proof of another connection is none: the challenge is new each time.
    let old = gateway.knock().await;
    let params = Device::new(1).sign(connect("cli", "cli", &ALL), &old.nonce, old.ts, 3);
    let answer = gateway.knock().await.connect(params).await;
    assert!(refused(&answer).starts_with("DEVICE_AUTH_"), "{answer}");
}

// X1
#[tokio::test]
async fn rights_are_those_of_the_record_whatever_a_client_asks_for() {
    let gateway = Gateway::start();
    let asks = async |id: &str, mode: &str, asked: &[&str]| {
        let mut client = gateway.knock().await;
        scopes(&client.connect(connect(id, mode, asked)).await)
    };
    assert_eq!(asks("cli", "cli", &["operator.read"]).await, ["operator.read"]);
    assert_eq!(asks("gateway-client", "backend", &ALL).await, ALL);
    let odd = ["operator.root", "admin", "operator.read", "operator.read"];
    assert_eq!(asks("cli", "cli", &odd).await, ["operator.read"]);
    // Without a device only these two keep what they ask for.
    for (id, mode) in [
        ("openclaw-probe", "probe"),
        ("openclaw-macos", "ui"),
        ("webchat", "webchat"),
        ("openclaw-control-ui", "webchat"),
        ("cli", "backend"),
        ("gateway-client", "cli"),
        ("test", "test"),
    ] {
        assert!(asks(id, mode, &ALL).await.is_empty(), "{id}/{mode}");
    }
    // A device is paired with what it asks for, and then never gets more by asking.
    let device = Device::new(7);
    let mut client = gateway.knock().await;
    let first = client.connect_as(&device, connect("cli", "cli", &["operator.read"])).await;
    assert_eq!(scopes(&first), ["operator.read"]);
    for more in [&ALL[..], &["operator.write"], &["operator.pairing", "operator.read"]] {
        let mut client = gateway.knock().await;
        let answer = client.connect_as(&device, connect("cli", "cli", more)).await;
        assert_eq!(refused(&answer), "PAIRING_REQUIRED", "{more:?}: {answer}");
        assert_eq!(answer["error"]["details"]["reason"], "scope-upgrade");
    }
    let mut client = gateway.knock().await;
    let mut node = connect("node-host", "node", &ALL);
    node["role"] = json!("node");
    let answer = client.connect_as(&device, node.clone()).await;
    assert_eq!(answer["error"]["details"]["reason"], "role-upgrade", "{answer}");
    // A node has no operator's rights, whatever it asks for.
    let mut client = gateway.knock().await;
    let answer = client.connect_as(&Device::new(8), node).await;
    assert!(scopes(&answer).is_empty() && answer["payload"]["auth"]["role"] == "node");
    let refused = client.call("health", json!({})).await.unwrap_err();
    assert_eq!(refused["message"], "unauthorized role: node");
}

#[tokio::test]
async fn versions_are_agreed_on() {
    let gateway = Gateway::start();
    let with = async |client: &str, mode: &str, role: &str, versions: [u32; 2]| {
        let mut params = connect(client, mode, &["operator.read"]);
        params["minProtocol"] = json!(versions[0]);
        params["maxProtocol"] = json!(versions[1]);
        params["role"] = json!(role);
        let mut client = gateway.knock().await;
        client.connect_as(&Device::new(9), params).await
    };
    for good in [
        with("gateway-client", "backend", "operator", [3, 4]).await,
        with("openclaw-probe", "probe", "operator", [3, 3]).await,
    ] {
        assert_eq!(good["payload"]["protocol"], 4, "{good}");
    }
    let old = with("gateway-client", "backend", "operator", [3, 3]).await;
    assert_eq!(refused(&old), "PROTOCOL_MISMATCH");
    assert_eq!(old["error"]["details"]["expectedProtocol"], 4);
    let node = with("node-host", "node", "node", [3, 3]).await;
    assert_eq!(refused(&node), "PAIRING_REQUIRED", "past the version: {node}");
}

#[tokio::test]
async fn a_device_is_known_again_by_its_token_also_after_a_kill() {
    let gateway = Gateway::start();
    let device = Device::new(3);
    let asked = ["operator.read", "operator.write"];
    let mut client = gateway.knock().await;
    // The older signature is good, too.
    let params = device.sign(connect("cli", "cli", &asked), &client.nonce, client.ts, 2);
    let answer = client.connect(params).await;
    let token = answer["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();
    assert!(answer["payload"]["auth"]["issuedAtMs"].as_i64().unwrap() > 0);
    let gateway = gateway.kill_and_start();
    let by = async |auth: Value, asked: &[&str]| {
        let mut client = gateway.knock().await;
        let mut params = connect("cli", "cli", asked);
        params["auth"] = auth;
        client.connect_as(&device, params).await
    };
    let answer = by(json!({"deviceToken": token}), &asked).await;
    assert_eq!(scopes(&answer), asked);
    assert_eq!(answer["payload"]["auth"]["deviceToken"], Value::Null, "it is not told again");
    // Clients of the incumbent show it in either place, and beside a shared token of yesterday.
    assert_eq!(scopes(&by(json!({"token": token}), &["operator.read"]).await), ["operator.read"]);
    let both = by(json!({"token": "old", "deviceToken": token}), &asked).await;
    assert_eq!(scopes(&both), asked);
    let wrong = by(json!({"deviceToken": format!("{token}x")}), &asked).await;
    assert_eq!(refused(&wrong), "AUTH_DEVICE_TOKEN_MISMATCH");
    let may_retry = by(json!({"token": "wrong"}), &asked).await;
    assert_eq!(refused(&may_retry), "AUTH_TOKEN_MISMATCH");
    assert_eq!(may_retry["error"]["details"]["canRetryWithDeviceToken"], true);
    assert_eq!(refused(&by(json!({}), &asked).await), "AUTH_TOKEN_MISSING");
    // Another device can't use it.
    let mut client = gateway.knock().await;
    let mut params = connect("cli", "cli", &asked);
    params["auth"] = json!({"deviceToken": token});
    let stolen = client.connect_as(&Device::new(4), params).await;
    assert_eq!(refused(&stolen), "AUTH_DEVICE_TOKEN_MISMATCH");
    // Nothing that was said or written shows it.
    let store = std::fs::read_dir(gateway.home.state_dir().join("store")).unwrap();
    for file in store.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        let is_there = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!is_there, "{} has the token itself", file.display());
    }
    assert!(!gateway.service.log().contains(&token));
}

#[tokio::test]
async fn a_password_is_asked_for_where_that_is_the_mode() {
    let config = "{gateway: {auth: {mode: 'password', password: 'correct horse battery staple'}}}";
    let gateway = Gateway::with(config);
    let by = async |auth: Value| {
        let mut client: Client = gateway.knock().await;
        let mut params = connect("cli", "cli", &["operator.read"]);
        params["auth"] = auth;
        client.connect_as(&Device::new(1), params).await
    };
    let good = by(json!({"password": "correct horse battery staple"})).await;
    assert_eq!(scopes(&good), ["operator.read"]);
    assert_eq!(refused(&by(json!({"password": "correct"})).await), "AUTH_PASSWORD_MISMATCH");
    let elsewhere = by(json!({"token": "correct horse battery staple"})).await;
    assert_eq!(refused(&elsewhere), "AUTH_PASSWORD_MISSING");
}

#[tokio::test]
async fn nothing_is_asked_for_only_where_that_is_said_and_only_here() {
    let config = "{gateway: {trustedProxies: ['127.0.0.1'], auth: {mode: 'none'}}}";
    let gateway = Gateway::with(config);
    let mut params = connect("cli", "cli", &["operator.read"]);
    params["auth"] = json!({});
    let answer = gateway.knock().await.connect(params.clone()).await;
    assert_eq!(scopes(&answer), ["operator.read"]);
    let far = [("x-forwarded-for", "203.0.113.7")];
    let answer = gateway.knock_with(&far).await.unwrap().connect(params).await;
    assert_eq!(refused(&answer), "AUTH_UNAUTHORIZED", "{answer}");
    let log = gateway.service.log();
    assert!(log.contains("every program and person of this machine"), "{log}");
}
