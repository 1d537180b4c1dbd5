//! Devices ask, people decide, and nobody gives more than he has.

use serde_json::{Value, json};

use crate::kit::{ALL, Client, Device, Gateway, TOKEN, connect, refused, scopes};
use crate::service::until;

/// Somewhere else.
const FAR: [(&str, &str); 1] = [("x-forwarded-for", "203.0.113.7")];

async fn from_afar(gateway: &Gateway, device: &Device, params: Value) -> (Client, Value) {
    let mut client = gateway.knock_with(&FAR).await.unwrap();
    let answer = client.connect_as(device, params).await;
    (client, answer)
}

fn request_of(answer: &Value) -> String {
    assert_eq!(refused(answer), "PAIRING_REQUIRED", "{answer}");
    assert_eq!(answer["error"]["code"], "NOT_PAIRED");
    answer["error"]["details"]["requestId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_device_from_elsewhere_is_let_in_by_a_person() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let device = Device::new(1);
    let params = connect("openclaw-ios", "ui", &["operator.read", "operator.write"]);
    let (mut client, answer) = from_afar(&gateway, &device, params.clone()).await;
    let request = request_of(&answer);
    let message = "pairing required: device is not approved yet";
    assert_eq!(client.end().await, (1008, message.to_owned()));
    let told = owner.event("device.pair.requested").await;
    assert_eq!((&told["requestId"], &told["deviceId"]), (&json!(request), &json!(device.id())));
    assert_eq!((&told["remoteIp"], &told["role"]), (&json!("203.0.113.7"), &json!("operator")));

    // Asking the same again is the same request; asking for something else replaces it.
    let (_, again) = from_afar(&gateway, &device, params.clone()).await;
    assert_eq!(request_of(&again), request);
    let less = connect("openclaw-ios", "ui", &["operator.read"]);
    let (_, other) = from_afar(&gateway, &device, less).await;
    assert_ne!(request_of(&other), request);
    let late = owner.call("device.pair.approve", json!({"requestId": request})).await;
    assert!(late.unwrap_err()["message"].as_str().unwrap().contains("unknown requestId"));
    let (_, answer) = from_afar(&gateway, &device, params.clone()).await;
    let request = request_of(&answer);
    let list = owner.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(list["pending"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["pending"][0]["requestId"], request);

    // It outlives a kill, is approved, and gives the device a token of its own.
    let gateway = gateway.kill_and_start();
    let mut owner = gateway.owner().await;
    let approved = owner.call("device.pair.approve", json!({"requestId": request})).await.unwrap();
    assert_eq!(approved["device"]["approvedVia"], "owner");
    let told = owner.event("device.pair.resolved").await;
    assert_eq!((&told["requestId"], &told["decision"]), (&json!(request), &json!("approved")));
    let (_paired, answer) = from_afar(&gateway, &device, params).await;
    assert_eq!(scopes(&answer), ["operator.read", "operator.write"]);
    assert!(answer["payload"]["auth"]["deviceToken"].is_string(), "{answer}");
    let list = owner.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(list["pending"], json!([]));
    assert_eq!(list["paired"][0]["deviceId"], device.id());
    assert_eq!(list["paired"][0]["connected"], true, "{list}");
    assert!(list["paired"][0]["approvedBy"].is_string(), "who it was is on record: {list}");
    assert!(!list.to_string().contains("fingerprint"), "{list}");
}

#[tokio::test]
async fn a_request_can_be_rejected_and_more_rights_are_asked_for_anew() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let device = Device::new(2);
    let reader = connect("openclaw-ios", "ui", &["operator.read"]);
    let (_, answer) = from_afar(&gateway, &device, reader.clone()).await;
    let request = request_of(&answer);
    let rejected = owner.call("device.pair.reject", json!({"requestId": request})).await.unwrap();
    assert_eq!(rejected["deviceId"], device.id());
    assert_eq!(owner.event("device.pair.resolved").await["decision"], "rejected");
    let (_, answer) = from_afar(&gateway, &device, reader.clone()).await;
    let request = request_of(&answer);
    owner.call("device.pair.approve", json!({"requestId": request})).await.unwrap();
    let (_, answer) = from_afar(&gateway, &device, reader.clone()).await;
    let first = answer["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();

    let writer = connect("openclaw-ios", "ui", &["operator.write"]);
    let (_, answer) = from_afar(&gateway, &device, writer.clone()).await;
    assert_eq!(answer["error"]["details"]["reason"], "scope-upgrade");
    let request = request_of(&answer);
    owner.call("device.pair.approve", json!({"requestId": request})).await.unwrap();
    // The token it has carries more from now on, and stays the same.
    let mut by_token = writer.clone();
    by_token["auth"] = json!({"deviceToken": first});
    for params in [by_token, writer] {
        let (_, answer) = from_afar(&gateway, &device, params).await;
        assert_eq!(scopes(&answer), ["operator.write"]);
        assert_eq!(answer["payload"]["auth"]["deviceToken"], Value::Null, "{answer}");
    }
}

/// A device that has nothing but a token of its own, and how it comes back with it.
async fn paired_by_code(gateway: &Gateway, owner: &mut Client, device: &Device) -> Value {
    let asked = json!({"bootstrapProfile": "limited", "publicUrl": "wss://home.example"});
    let made = owner.call("device.pair.setupCode", asked).await.unwrap();
    let mut params = connect("openclaw-ios", "ui", &["operator.read"]);
    params["auth"] = json!({"bootstrapToken": code_in(&made)["bootstrapToken"]});
    let (_, answer) = from_afar(gateway, device, params.clone()).await;
    params["auth"] = json!({"deviceToken": answer["payload"]["auth"]["deviceToken"]});
    params
}

fn code_in(made: &Value) -> Value {
    use base64::Engine as _;
    let code = made["setupCode"].as_str().unwrap();
    // In the letters that clients take: without any padding.
    let code = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(code).unwrap();
    serde_json::from_slice(&code).unwrap()
}

// X1: what a stolen device has offered others goes with the right it had.
#[tokio::test]
async fn a_setup_code_ends_with_the_token_of_who_made_it() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let asked = json!({"bootstrapProfile": "limited", "publicUrl": "wss://home.example"});
    for (seed, method) in [(31, None), (33, Some("revoke")), (35, Some("rotate"))] {
        let (maker, newcomer) = (Device::new(seed), Device::new(seed + 1));
        let mut client = gateway.knock().await;
        let answer = client.connect_as(&maker, connect("cli", "cli", &crate::kit::ALL)).await;
        assert_eq!(answer["ok"], true, "{answer}");
        let made = client.call("device.pair.setupCode", asked.clone()).await.unwrap();
        if let Some(method) = method {
            let of = json!({"deviceId": maker.id(), "role": "operator"});
            owner.call(&format!("device.token.{method}"), of).await.unwrap();
        }
        let mut params = connect("openclaw-ios", "ui", &["operator.read"]);
        params["auth"] = json!({"bootstrapToken": code_in(&made)["bootstrapToken"]});
        let (_, answer) = from_afar(&gateway, &newcomer, params).await;
        assert_eq!(answer["ok"], json!(method.is_none()), "{method:?}: {answer}");
    }
}

#[tokio::test]
async fn a_device_with_nothing_but_its_own_token_can_be_given_more() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let device = Device::new(11);
    let mut params = paired_by_code(&gateway, &mut owner, &device).await;
    params["scopes"] = json!(["operator.read", "operator.approvals"]);
    let (_, answer) = from_afar(&gateway, &device, params.clone()).await;
    assert_eq!(answer["error"]["details"]["reason"], "scope-upgrade", "{answer}");
    let request = request_of(&answer);
    owner.call("device.pair.approve", json!({"requestId": request})).await.unwrap();
    let gateway = gateway.kill_and_start();
    let (_, answer) = from_afar(&gateway, &device, params.clone()).await;
    assert_eq!(scopes(&answer), ["operator.read", "operator.approvals"]);
    params["scopes"] = json!(["operator.read", "operator.admin"]);
    let (_, answer) = from_afar(&gateway, &device, params).await;
    request_of(&answer);
}

#[tokio::test]
async fn a_token_that_somebody_else_replaced_is_handed_to_its_device() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let device = Device::new(12);
    let old = paired_by_code(&gateway, &mut owner, &device).await;
    let of_device = json!({"deviceId": device.id(), "role": "operator"});
    let told = owner.call("device.token.rotate", of_device.clone()).await.unwrap();
    assert_eq!(told["tokenDelivery"], "withheld-cross-device");
    let back = async |params: &Value| {
        let (_, answer) = from_afar(&gateway, &device, params.clone()).await;
        assert_eq!(scopes(&answer), ["operator.read"]);
        answer["payload"]["auth"]["deviceToken"].clone()
    };
    let with = |token: &Value| {
        let mut params = old.clone();
        params["auth"] = json!({"deviceToken": token});
        params
    };
    // An answer that is lost on its way locks nobody out.
    let lost = back(&old).await;
    let new = back(&old).await;
    assert!(lost.is_string() && new.is_string() && lost != new);
    // Nor do two connections at once, whichever of their tokens it keeps.
    let (mut early, answer) = from_afar(&gateway, &device, with(&lost)).await;
    let newest = own_token(&answer);
    assert_eq!(back(&with(&newest)).await, Value::Null, "it has the new one");
    for old in [old.clone(), with(&lost), with(&new)] {
        let (_, answer) = from_afar(&gateway, &device, old).await;
        assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH", "which ends those before");
    }
    // Also what they have opened.
    assert_eq!(early.end().await, (4001, "device token rotated".to_owned()));
    let (mut late, answer) = from_afar(&gateway, &device, with(&newest)).await;
    assert_eq!(scopes(&answer), ["operator.read"]);
    late.call("health", json!({})).await.unwrap();
    let new = newest;
    // What is taken back is taken back, whatever was replaced before.
    owner.call("device.token.rotate", of_device.clone()).await.unwrap();
    owner.call("device.token.revoke", of_device).await.unwrap();
    let (_, answer) = from_afar(&gateway, &device, with(&new)).await;
    assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH");
    // A thief of the text has not the key.
    let (_, answer) = from_afar(&gateway, &Device::new(13), old).await;
    assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH");
}

// Replaced twice, and what it was told in between was lost on its way, or not: nobody but the device
// knows which of the two it holds.
#[tokio::test]
async fn a_device_comes_back_with_what_it_has_however_often_its_token_was_replaced() {
    let mut gateway = Gateway::behind_a_proxy();
    for (seed, is_heard) in [(14, false), (15, true)] {
        let mut owner = gateway.owner().await;
        let device = Device::new(seed);
        let first = paired_by_code(&gateway, &mut owner, &device).await;
        let of_device = json!({"deviceId": device.id(), "role": "operator"});
        let with = |token: &Value| {
            let mut params = first.clone();
            params["auth"] = json!({"deviceToken": token});
            params
        };
        let first_text = first["auth"]["deviceToken"].clone();
        owner.call("device.token.rotate", of_device.clone()).await.unwrap();
        let second = own_token(&from_afar(&gateway, &device, with(&first_text)).await.1);
        owner.call("device.token.rotate", of_device.clone()).await.unwrap();
        drop(owner);
        gateway = gateway.kill_and_start();
        let mut owner = gateway.owner().await;

        let (held, gone) = if is_heard { (&second, &first_text) } else { (&first_text, &second) };
        let third = own_token(&from_afar(&gateway, &device, with(held)).await.1);
        let (_, answer) = from_afar(&gateway, &device, with(gone)).await;
        assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH", "it has the other one");
        // The new one, shown once, ends all before.
        let (_, answer) = from_afar(&gateway, &device, with(&third)).await;
        assert_eq!(scopes(&answer), ["operator.read"]);
        for old in [held, gone] {
            let (_, answer) = from_afar(&gateway, &device, with(old)).await;
            assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH");
        }

        // Taken back, none is good, whatever the device has heard of; and none comes back.
        owner.call("device.token.rotate", of_device.clone()).await.unwrap();
        let fourth = own_token(&from_afar(&gateway, &device, with(&third)).await.1);
        owner.call("device.token.rotate", of_device.clone()).await.unwrap();
        owner.call("device.token.revoke", of_device.clone()).await.unwrap();
        for old in [&third, &fourth] {
            let (_, answer) = from_afar(&gateway, &device, with(old)).await;
            assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH");
        }
        owner.call("device.token.rotate", of_device).await.unwrap();
        for old in [&third, &fourth] {
            let (_, answer) = from_afar(&gateway, &device, with(old)).await;
            assert_eq!(refused(&answer), "AUTH_DEVICE_TOKEN_MISMATCH");
        }
    }
}

/// The token a device is given.
fn own_token(answer: &Value) -> Value {
    let token = answer["payload"]["auth"]["deviceToken"].clone();
    assert!(token.is_string(), "{answer}");
    token
}

// X1
#[tokio::test]
async fn nobody_gives_more_than_he_has() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let mut helper = gateway.operator(&["operator.pairing", "operator.read"]).await;
    let missing = |result: Result<Value, Value>| {
        let error = result.unwrap_err();
        assert_eq!(error["code"], "FORBIDDEN", "{error}");
        error["details"]["missingScope"].as_str().unwrap_or_default().to_owned()
    };
    let device = Device::new(3);
    let admin = connect("openclaw-ios", "ui", &["operator.admin"]);
    let (_, answer) = from_afar(&gateway, &device, admin.clone()).await;
    let request = json!({"requestId": request_of(&answer)});
    assert_eq!(
        missing(helper.call("device.pair.approve", request.clone()).await),
        "operator.admin"
    );
    let (_, answer) = from_afar(&gateway, &device, admin).await;
    assert_eq!(refused(&answer), "PAIRING_REQUIRED", "it is still outside");
    // Another role needs an administrator.
    let mut node = connect("node-host", "node", &[]);
    node["role"] = json!("node");
    let (_, answer) = from_afar(&gateway, &Device::new(4), node).await;
    let of_node = json!({"requestId": request_of(&answer)});
    assert_eq!(
        missing(helper.call("device.pair.approve", of_node.clone()).await),
        "operator.admin"
    );
    owner.call("device.pair.approve", of_node).await.unwrap();
    owner.call("device.pair.approve", request).await.unwrap();
    let codes = helper.call("device.pair.setupCode", json!({})).await;
    assert_eq!(missing(codes), "operator.write", "of all rights it lacks, the first");
}

// X1
#[tokio::test]
async fn a_token_is_replaced_only_within_what_was_approved() {
    let gateway = Gateway::start();
    let device = Device::new(5);
    let mut client = gateway.knock().await;
    let asked = ["operator.read", "operator.write", "operator.pairing"];
    let answer = client.connect_as(&device, connect("cli", "cli", &asked)).await;
    let first = answer["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();
    let rotate = |scopes: Value| {
        let mut params = json!({"deviceId": device.id(), "role": "operator"});
        if scopes.is_array() {
            params["scopes"] = scopes;
        }
        params
    };
    for wide in [json!(["operator.admin"]), json!(["operator.read", "operator.approvals"])] {
        for who in [&mut client, &mut gateway.owner().await] {
            let error = who.call("device.token.rotate", rotate(wide.clone())).await.unwrap_err();
            assert_eq!(error["code"], "FORBIDDEN", "{wide}: {error}");
        }
    }
    let mut node = rotate(Value::Null);
    node["role"] = json!("node");
    let error = gateway.owner().await.call("device.token.rotate", node).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("not approved as node"), "{error}");
    let mut twin = gateway.knock().await;
    twin.connect_as(&device, connect("cli", "cli", &["operator.read"])).await;
    // Its own, narrower: it is told the new one.
    let narrow = rotate(json!(["operator.read"]));
    let own = client.call("device.token.rotate", narrow).await.unwrap();
    assert_eq!(
        (&own["tokenDelivery"], &own["scopes"]),
        (&json!("in-band"), &json!(["operator.read"]))
    );
    let second = own["token"].as_str().unwrap().to_owned();
    assert_eq!(twin.end().await, (4001, "device token rotated".to_owned()), "only this one stays");
    let by = async |token: &str, asked: &[&str]| {
        let mut client = gateway.knock().await;
        let mut params = connect("cli", "cli", asked);
        params["auth"] = json!({"deviceToken": token});
        client.connect_as(&device, params).await
    };
    assert_eq!(refused(&by(&first, &["operator.read"]).await), "AUTH_DEVICE_TOKEN_MISMATCH");
    assert_eq!(scopes(&by(&second, &["operator.read"]).await), ["operator.read"]);
    assert_eq!(refused(&by(&second, &["operator.write"]).await), "AUTH_SCOPE_MISMATCH");
    assert_eq!(refused(&by(&second, &ALL).await), "PAIRING_REQUIRED");
    // Somebody else's: it is not told, and the device has to come back for it.
    let mut owner = gateway.owner().await;
    let other = owner.call("device.token.rotate", rotate(Value::Null)).await.unwrap();
    assert_eq!(other["tokenDelivery"], "withheld-cross-device");
    assert_eq!(other["token"], Value::Null);
    assert_eq!(client.end().await, (4001, "device token rotated".to_owned()));
    let mut client = gateway.knock().await;
    let back = client.connect_as(&device, connect("cli", "cli", &["operator.read"])).await;
    let third = back["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();
    assert_eq!(refused(&by(&second, &["operator.read"]).await), "AUTH_DEVICE_TOKEN_MISMATCH");
    assert_eq!(scopes(&by(&third, &["operator.read"]).await), ["operator.read"]);
}

#[tokio::test]
async fn what_is_taken_back_ends_at_once() {
    let gateway = Gateway::start();
    let mut owner = gateway.owner().await;
    let device = Device::new(6);
    let params = connect("cli", "cli", &["operator.read", "operator.pairing"]);
    let mut client = gateway.knock().await;
    let answer = client.connect_as(&device, params.clone()).await;
    let token = answer["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();
    let mut other = gateway.knock().await;
    other.connect_as(&Device::new(7), connect("cli", "cli", &["operator.pairing"])).await;
    // A device without an administrator's rights keeps to itself.
    let removed = json!({"deviceId": device.id()});
    let named = json!({"deviceId": device.id(), "label": "mine"});
    let of_role = json!({"deviceId": device.id(), "role": "operator"});
    for (method, params) in [
        ("device.pair.remove", &removed),
        ("device.pair.rename", &named),
        ("device.token.revoke", &of_role),
        ("device.token.rotate", &of_role),
    ] {
        let error = other.call(method, params.clone()).await.unwrap_err();
        assert_eq!(error["code"], "FORBIDDEN", "{method}: {error}");
    }
    client.call("device.pair.rename", named).await.unwrap();
    owner.call("device.token.revoke", of_role).await.unwrap();
    assert_eq!(client.end().await, (4001, "device token revoked".to_owned()));
    let by_token = async || {
        let mut client = gateway.knock().await;
        let mut params = params.clone();
        params["auth"] = json!({"deviceToken": token});
        client.connect_as(&device, params).await
    };
    assert_eq!(refused(&by_token().await), "AUTH_DEVICE_TOKEN_MISMATCH");
    let mut client = gateway.knock().await;
    let answer = client.connect_as(&device, params.clone()).await;
    assert_eq!(scopes(&answer).len(), 2, "the shared token is still good");
    assert_eq!(answer["payload"]["auth"]["deviceToken"], Value::Null, "and brings no new one");
    let list = owner.call("device.pair.list", json!({})).await.unwrap();
    assert!(list["paired"].as_array().unwrap().iter().any(|it| it["label"] == "mine"), "{list}");
    owner.call("device.pair.remove", removed).await.unwrap();
    assert_eq!(client.end().await, (4001, "device removed".to_owned()));
    let list = owner.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(list["paired"].as_array().unwrap().len(), 1, "{list}");
}

#[tokio::test]
async fn a_setup_code_lets_one_device_in_once() {
    let gateway = Gateway::behind_a_proxy();
    let mut owner = gateway.owner().await;
    let asked = json!({"bootstrapProfile": "limited", "publicUrl": "wss://home.example"});
    let made = owner.call("device.pair.setupCode", asked).await.unwrap();
    assert_eq!((&made["access"], &made["auth"]), (&json!("limited"), &json!("token")));
    let code = code_in(&made);
    assert_eq!(code["url"], "wss://home.example");
    let mut params = connect("openclaw-ios", "ui", &ALL);
    params["auth"] = json!({"bootstrapToken": code["bootstrapToken"]});
    let (_, answer) = from_afar(&gateway, &Device::new(8), params.clone()).await;
    assert_eq!(scopes(&answer), ["operator.read", "operator.write"], "no more than the code says");
    let token = answer["payload"]["auth"]["deviceToken"].clone();
    let (_, again) = from_afar(&gateway, &Device::new(9), params.clone()).await;
    assert_eq!(refused(&again), "AUTH_BOOTSTRAP_TOKEN_INVALID");
    params["auth"] = json!({"deviceToken": token});
    params["scopes"] = json!(["operator.read"]);
    let (_, back) = from_afar(&gateway, &Device::new(8), params).await;
    assert_eq!(scopes(&back), ["operator.read"]);
    assert!(!gateway.service.log().contains(TOKEN));
}

#[tokio::test]
async fn a_setup_code_names_only_where_others_can_come() {
    let near = Gateway::start();
    let refused = near.owner().await.call("device.pair.setupCode", json!({})).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("publicUrl"), "{refused}");
    let open = Gateway::with(&format!(
        "{{gateway: {{bind: 'lan', tls: {{enabled: true}}, auth: {{token: '{TOKEN}'}}}}}}"
    ));
    let made = crate::service::until("it answers", || {
        let home = &open.home;
        crate::wire::Wire::connect(&home.socket())?.call("device.pair.setupCode", &json!({})).ok()
    });
    let code = code_in(&made);
    let urls = made["gatewayUrls"].as_array().unwrap();
    for url in urls {
        let url = url.as_str().unwrap();
        assert!(url.starts_with("wss://") && url.ends_with(&format!(":{}", open.port)), "{url}");
        assert!(!url.contains("0.0.0.0") && !url.contains("127.0.0.1"), "{url}");
    }
    assert_eq!(code["url"], urls[0]);
    assert!(urls.len() == 1 || code["urls"] == made["gatewayUrls"], "{code}");
    let shown = open.service.out();
    let fingerprint = code["tlsFingerprint"].as_str().unwrap();
    assert!(shown.contains(fingerprint), "{fingerprint} is not in {shown}");
    assert_eq!(code["expiresAtMs"], made["expiresAtMs"]);
}

#[tokio::test]
async fn only_those_who_may_decide_are_told() {
    let gateway = Gateway::behind_a_proxy();
    let mut reader = gateway.operator(&["operator.read", "operator.write"]).await;
    let mut keeper = gateway.operator(&["operator.pairing"]).await;
    let params = connect("openclaw-ios", "ui", &["operator.read"]);
    from_afar(&gateway, &Device::new(10), params).await;
    keeper.event("device.pair.requested").await;
    // What the reader hears until its next answer is all there was.
    let frames = async {
        reader.say(r#"{"type":"req","id":"last","method":"health","params":{}}"#).await;
        let mut heard = Vec::new();
        loop {
            let frame = reader.hear().await.unwrap();
            if frame["id"] == "last" {
                return heard;
            }
            heard.push(frame["event"].to_string());
        }
    };
    let heard = frames.await;
    assert!(!heard.iter().any(|name| name.contains("device.pair")), "{heard:?}");
    until("the request is logged", || {
        gateway.service.log().contains("a device asks").then_some(())
    });
}
