//! The words of a suspension on the wire: what is asked, what is answered, who is let in meanwhile.

use serde_json::{Value, json};

use super::any_params::check;
use super::client::{Client, serve};
use super::kit::Home;

/// Calls a method and keeps its answer for the published schema.
async fn call(
    client: &mut Client,
    seen: &mut Vec<Value>,
    method: &str,
    params: &Value,
) -> Result<Value, Value> {
    let frame = client.frames(method, params).await.pop().unwrap();
    seen.push(json!({"method": method, "frame": frame}));
    let is_ok = frame["ok"] == true;
    if is_ok { Ok(frame["payload"].clone()) } else { Err(frame["error"].clone()) }
}

#[tokio::test]
async fn a_suspension_says_what_the_protocol_says() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "ui", "a").await;
    assert_eq!(client.hello["snapshot"]["suspension"], json!({"phase": "accepting"}));
    let mut seen = Vec::new();
    let (prepare, status, resume) =
        ("gateway.suspend.prepare", "gateway.suspend.status", "gateway.suspend.resume");
    for (method, params, part) in [
        (prepare, json!({}), "'requestId'"),
        (prepare, json!({"requestId": "  "}), "at requestId"),
        (prepare, json!({"requestId": "x".repeat(129)}), "at requestId"),
        (prepare, json!({"requestId": "x", "terminalPolicy": "kill"}), "at terminalPolicy"),
        (prepare, json!({"requestId": "x", "drain": "yes"}), "at drain"),
        (status, json!({}), "'suspensionId'"),
        (resume, json!({"suspensionId": ""}), "at suspensionId"),
    ] {
        let error = call(&mut client, &mut seen, method, &params).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
        assert!(error["message"].as_str().unwrap().contains(part), "{part}: {error}");
    }
    let nobody = json!({"suspensionId": "nobody's"});
    let running = call(&mut client, &mut seen, status, &nobody).await.unwrap();
    assert_eq!(running, json!({"status": "running"}));
    let resumed = call(&mut client, &mut seen, resume, &nobody).await.unwrap();
    assert_eq!(resumed, json!({"ok": true, "status": "running", "resumed": false}));

    let wish = json!({"requestId": " op ", "terminalPolicy": "terminate"});
    let lease = call(&mut client, &mut seen, prepare, &wish).await.unwrap();
    assert_eq!((&lease["status"], &lease["blockers"]), (&json!("ready"), &json!([])), "{lease}");
    let same = json!({"requestId": "op", "terminalPolicy": "terminate", "drain": false});
    let again = call(&mut client, &mut seen, prepare, &same).await.unwrap();
    assert_eq!(again["suspensionId"], lease["suspensionId"]);
    assert!(again["expiresAtMs"].as_i64() >= lease["expiresAtMs"].as_i64(), "{again}");
    for other in [json!({"requestId": "op"}), json!({"requestId": "other"})] {
        let error = call(&mut client, &mut seen, prepare, &other).await.unwrap_err();
        assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));
        assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| ms <= 120_000), "{error}");
    }
    for method in [status, resume] {
        let error = call(&mut client, &mut seen, method, &nobody).await.unwrap_err();
        assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
        let id = lease["suspensionId"].as_str().unwrap();
        assert!(!error.to_string().contains(id), "whose lease it is is told to nobody: {error}");
    }
    let fenced = call(&mut client, &mut seen, "sessions.list", &json!({})).await.unwrap_err();
    assert_eq!(fenced["details"]["reason"], "gateway-suspending", "{fenced}");

    // Operators may come and end it; nodes bring work and stay outside.
    let other = Client::operator(port, "ui", "b").await;
    assert_eq!(other.hello["snapshot"]["suspension"], json!({"phase": "prepared"}));
    let node = json!({"role": "node", "scopes": [], "caps": [], "commands": []});
    let refused = Client::try_connect(port, "node", "n", &node).await.err().unwrap();
    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));

    let id = json!({"suspensionId": lease["suspensionId"]});
    let standing = call(&mut client, &mut seen, status, &id).await.unwrap();
    assert_eq!(standing["status"], "ready", "{standing}");
    let resumed = call(&mut client, &mut seen, resume, &id).await.unwrap();
    assert_eq!(resumed["resumed"], true);
    call(&mut client, &mut seen, "sessions.list", &json!({})).await.unwrap();
    drop(Client::try_connect(port, "node", "n", &node).await.unwrap());
    seen.push(json!({"method": "connect", "frame": {
        "type": "res", "id": "1", "ok": true, "payload": other.hello,
    }}));
    check(&home, &seen);
    service.stop();
}

// Looking at a lease is for everybody who may look; the rest changes the service.
#[tokio::test]
async fn only_an_administrator_makes_the_gateway_quiet() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let scopes = json!({"role": "operator", "scopes": ["operator.read", "operator.write"]});
    let mut writer = Client::connect(port, "ui", "w", &scopes).await;
    let named = json!({"suspensionId": "x"});
    writer.call("gateway.suspend.status", &named).await.unwrap();
    for (method, params) in [
        ("gateway.suspend.prepare", &json!({"requestId": "x"})),
        ("gateway.suspend.resume", &named),
    ] {
        let error = writer.call(method, params).await.unwrap_err();
        assert_eq!(error["details"]["missingScope"], "operator.admin", "{error}");
    }
    service.stop();
}

#[tokio::test]
async fn the_machine_is_told_as_the_protocol_says() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "ui", "a").await;
    let mut seen = Vec::new();
    let info = call(&mut client, &mut seen, "system.info", &json!({})).await.unwrap();
    assert_eq!((&info["pid"], &info["port"]), (&json!(service.pid()), &json!(port)), "{info}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(info["hostname"], host.trim(), "{info}");
    assert!(info["memoryTotalBytes"].as_u64() > info["memoryFreeBytes"].as_u64(), "{info}");
    assert!(info["cpuCount"].as_u64() > Some(0), "{info}");
    assert_eq!(info["diskPath"], json!(home.state_dir()), "{info}");
    let instance = info["processInstanceId"].clone();
    let again = call(&mut client, &mut seen, "system.info", &json!({})).await.unwrap();
    assert_eq!(again["processInstanceId"], instance);
    check(&home, &seen);
    service.stop();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "ui", "a").await;
    let next = client.call("system.info", &json!({})).await.unwrap();
    assert_ne!(next["processInstanceId"], instance, "another process");
    service.stop();
}
