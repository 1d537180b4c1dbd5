//! Nodes that are let in without a person: by their network, or by the key on their own machine,
//! which a stand-in for `ssh` tells.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::kit::{Device, Gateway, TOKEN, connect, refused};
use crate::service::{Home, until};

fn node(scopes: &[&str]) -> Value {
    let mut params = connect("node-host", "node", scopes);
    params["role"] = json!("node");
    params
}

/// How a device was let in, as its record says.
async fn via(gateway: &Gateway, device: &Device) -> Value {
    let list = gateway.owner().await.call("device.pair.list", json!({})).await.unwrap();
    let paired = list["paired"].as_array().unwrap();
    let found = paired.iter().find(|it| it["deviceId"] == json!(device.id()));
    found.map_or(Value::Null, |it| it["approvedVia"].clone())
}

#[tokio::test]
async fn a_network_that_is_named_lets_fresh_nodes_in_and_nothing_else() {
    let gateway = Gateway::with(&format!(
        "{{gateway: {{auth: {{token: '{TOKEN}'}}, nodes: {{pairing:
          {{autoApproveLocal: false, autoApproveCidrs: ['127.0.0.0/8'], sshVerify: false}}}}}}}}"
    ));
    let device = Device::new(1);
    let answer = gateway.knock().await.connect_as(&device, node(&[])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(answer["payload"]["auth"]["scopes"], json!([]), "a node has no rights");
    assert!(answer["payload"]["auth"]["deviceToken"].is_string(), "{answer}");
    assert_eq!(via(&gateway, &device).await, "trusted-cidr");
    // More than it was let in with is for a person.
    let more = connect("cli", "cli", &["operator.read"]);
    let answer = gateway.knock().await.connect_as(&device, more).await;
    assert_eq!(refused(&answer), "PAIRING_REQUIRED");
    let wrong = |seed, params| (Device::new(seed), params);
    for (device, params) in [
        wrong(2, connect("cli", "cli", &["operator.read"])),
        wrong(3, node(&["operator.read"])),
        wrong(4, connect("webchat-ui", "webchat", &[])),
    ] {
        let answer = gateway.knock().await.connect_as(&device, params).await;
        assert_eq!(refused(&answer), "PAIRING_REQUIRED");
        assert_eq!(via(&gateway, &device).await, Value::Null);
    }
    // Without the secret no network helps.
    let mut params = node(&[]);
    params["auth"] = json!({"token": "wrong"});
    let answer = gateway.knock().await.connect_as(&Device::new(6), params).await;
    assert_eq!(refused(&answer), "AUTH_TOKEN_MISMATCH");
}

// X1: behind a proxy an address is whoever's the proxy says, or nobody's.
#[tokio::test]
async fn the_address_of_a_proxy_vouches_for_nobody() {
    for verified in ["false", "{cidrs: ['127.0.0.0/8', '10.0.0.0/8']}"] {
        let home = with_ssh("echo no", "");
        home.configure(&format!(
            "{{gateway: {{auth: {{token: '{TOKEN}'}}, trustedProxies: ['127.0.0.1'],
              nodes: {{pairing: {{autoApproveLocal: false, sshVerify: {verified},
              autoApproveCidrs: ['127.0.0.0/8', '10.0.0.0/8']}}}}}}}}"
        ));
        let gateway = Gateway::at(home);
        for (seed, headers) in [
            // As one that only passes bytes on.
            &[][..],
            &[("x-forwarded-proto", "https")],
            &[("forwarded", "for=10.0.0.9")],
            &[("x-forwarded-for", "nonsense")],
            &[("x-forwarded-for", "10.0.0.9"), ("x-real-ip", "203.0.113.7")],
            // A program of this machine that says it is a proxy can name any address.
            &[("x-forwarded-for", "10.0.0.9")],
        ]
        .into_iter()
        .enumerate()
        {
            let device = Device::new(u8::try_from(seed + 1).unwrap());
            let mut client = gateway.knock_with(headers).await.unwrap();
            let answer = client.connect_as(&device, node(&[])).await;
            assert_eq!(refused(&answer), "PAIRING_REQUIRED", "{headers:?}");
        }
        assert!(asked(&gateway.home).is_empty(), "{:?}", asked(&gateway.home));
    }
}

/// A home in which `ssh` answers with what the test puts there, and notes what it was asked.
fn with_ssh(body: &str, rules: &str) -> Home {
    let home = Home::new();
    let bin = home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let script = format!("#!/bin/sh\necho \"$*\" >> \"$HOME/asked\"\n{body}\n");
    std::fs::write(bin.join("ssh"), script).unwrap();
    let executable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(bin.join("ssh"), executable).unwrap();
    home.set_env("PATH", format!("{}:/usr/bin:/bin", bin.display()).as_ref());
    home.configure(&format!(
        "{{gateway: {{auth: {{token: '{TOKEN}'}}, nodes: {{pairing: {{autoApproveLocal: false,
          sshVerify: {{{rules}}}}}}}}}}}"
    ));
    home
}

fn asked(home: &Home) -> Vec<String> {
    let noted = std::fs::read_to_string(home.path("asked")).unwrap_or_default();
    noted.lines().map(str::to_owned).collect()
}

/// What the node on that machine says of itself.
fn identity(device: &Device) -> String {
    let signed = device.sign(node(&[]), "", 0, 3);
    let key = signed["device"]["publicKey"].as_str().unwrap();
    json!({"deviceId": device.id(), "publicKey": key}).to_string()
}

#[tokio::test]
async fn a_node_whose_key_is_on_its_own_machine_is_let_in() {
    let (own, other) = (Device::new(1), Device::new(2));
    let rules = "cidrs: ['127.0.0.0/8'], user: 'me', identity: '~/.ssh/probe'";
    let home = with_ssh(&format!("echo '{}'", identity(&own)), rules);
    let gateway = Gateway::at(home);
    // Another key than the one that was found: a person decides, and nobody asks again for a while.
    for _ in 0..2 {
        let answer = gateway.knock().await.connect_as(&other, node(&[])).await;
        assert_eq!(refused(&answer), "PAIRING_REQUIRED");
    }
    assert_eq!(asked(&gateway.home).len(), 1, "{:?}", asked(&gateway.home));
    // The wait is kept in memory alone.
    let gateway = gateway.kill_and_start();
    let answer = gateway.knock().await.connect_as(&own, node(&[])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(via(&gateway, &own).await, "ssh-verified");
    let question = asked(&gateway.home).pop().unwrap();
    for part in ["BatchMode=yes", "StrictHostKeyChecking=yes", "-l me", "/.ssh/probe"] {
        assert!(question.contains(part), "{part}: {question}");
    }
    assert!(
        question.ends_with("-- 127.0.0.1 sh -lc 'openclaw node identity --json'"),
        "{question}"
    );
    // Who asks for rights is not looked up at all.
    let before = asked(&gateway.home).len();
    let answer = gateway.knock().await.connect_as(&Device::new(3), node(&["operator.read"])).await;
    assert_eq!(refused(&answer), "PAIRING_REQUIRED");
    assert_eq!(asked(&gateway.home).len(), before);
}

#[tokio::test]
async fn a_machine_that_does_not_answer_leaves_it_to_a_person() {
    let rules = "cidrs: ['127.0.0.0/8'], timeoutMs: 500";
    let home = with_ssh("echo $$ > \"$HOME/pid\"; exec sleep 1000", rules);
    let gateway = Gateway::at(home);
    let device = Device::new(1);
    let answer = gateway.knock().await.connect_as(&device, node(&[])).await;
    assert_eq!(refused(&answer), "PAIRING_REQUIRED");
    let pid = std::fs::read_to_string(gateway.home.path("pid")).unwrap();
    until("what was asked has ended", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_err().then_some(())
    });
    let request = answer["error"]["details"]["requestId"].clone();
    let mut owner = gateway.owner().await;
    owner.call("device.pair.approve", json!({"requestId": request})).await.unwrap();
    let answer = gateway.knock().await.connect_as(&device, node(&[])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    // What nobody says, and rubbish, are no key.
    let rubbish = base64::engine::general_purpose::STANDARD.encode([0; 300]);
    let gateway = Gateway::at(with_ssh(&format!("echo '{rubbish}'"), "cidrs: ['127.0.0.0/8']"));
    let answer = gateway.knock().await.connect_as(&Device::new(1), node(&[])).await;
    assert_eq!(refused(&answer), "PAIRING_REQUIRED");
}
