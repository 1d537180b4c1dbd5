//! How the page gets in, stays in, and where it never goes.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::browser::{self, Browser};
use crate::kit::Home;
use crate::scene::Scene;
use crate::{dashboard, opened, origin};

#[tokio::test]
async fn the_owner_opens_the_page_and_sees_the_tree() {
    let scene = Scene::new();
    let service = scene.start();
    let Some(mut browser) = opened(&scene.home).await else { return };
    let url = dashboard(&scene.home);
    let origin = origin(&url);
    for name in ["dead_letters", "watcher", "gateway", "echo"] {
        browser.shows(".tree .name", name).await;
    }
    browser.shows(".tree .state", "running").await;
    assert_eq!(browser.value("location.href").await, format!("{origin}/"), "no token is left");
    browser.click("nav a", "Channels").await;
    browser.shows(".cards .card", "imessage/default").await;

    // The token lives as long as the tab, and in no other place.
    let kept = browser
        .value("Object.entries(sessionStorage).concat(Object.entries(localStorage)).join()")
        .await;
    assert!(kept.as_str().unwrap().contains(url.split("#token=").nth(1).unwrap()), "{kept}");
    let socket = origin.replace("http://", "ws://");
    for opened in browser.opened() {
        let is_own = opened.starts_with(&format!("{origin}/")) || *opened == format!("{socket}/");
        assert!(is_own || opened == "about:blank", "{opened}");
    }
    assert!(browser.opened().iter().any(|opened| *opened == format!("{socket}/")));
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}

#[tokio::test]
async fn a_hostile_address_opens_no_socket_elsewhere() {
    let home = Home::new();
    let service = home.start(&[]);
    let Some(program) = browser::program() else { return };
    let evil = TcpListener::bind("127.0.0.1:0").unwrap();
    evil.set_nonblocking(true).unwrap();
    let elsewhere = evil.local_addr().unwrap();
    let url = dashboard(&home);
    let (origin, token) = (origin(&url), url.split("#token=").nth(1).unwrap());
    let mut browser = Browser::start(&program).await;
    for hostile in [
        format!("{origin}/?gatewayUrl=ws://{elsewhere}/&url=ws://{elsewhere}#token={token}"),
        format!("{origin}/#gatewayUrl=ws://{elsewhere}/&token={token}"),
        format!("{origin}/?token=wrong&gateway=ws://{elsewhere}#token={token}&host={elsewhere}"),
    ] {
        browser.go("about:blank").await;
        browser.go(&hostile).await;
        browser.shows("#state", "online").await;
        browser.shows(".tree .name", "gateway").await;
    }
    for opened in browser.opened() {
        let own = opened.starts_with(&format!("{origin}/"))
            || *opened == format!("{}/", origin.replace("http://", "ws://"));
        assert!(own || opened == "about:blank", "{opened}");
    }
    let nobody = evil.accept().map(|(_, from)| from);
    assert!(nobody.is_err(), "{nobody:?} connected elsewhere");
    service.stop();
}

#[tokio::test]
async fn a_wrong_token_is_said_and_a_right_one_can_be_entered() {
    let home = Home::new();
    let service = home.start(&[]);
    let Some(program) = browser::program() else { return };
    let url = dashboard(&home);
    let (origin, token) = (origin(&url), url.split("#token=").nth(1).unwrap());
    let mut browser = Browser::start(&program).await;
    browser.go(&format!("{origin}/")).await;
    browser.shows("#state", "not connected").await;
    browser.click("#door-token", "").await;
    browser.write("wrong").await;
    browser.click("#door button", "Connect").await;
    browser.shows("#door-why", "token mismatch").await;
    browser.shows("#state", "refused").await;
    browser.click("#door-token", "").await;
    browser.write(token).await;
    browser.press("Enter", 13).await;
    browser.shows("#state", "online").await;
    browser.shows(".tree .name", "gateway").await;
    assert_eq!(browser.text("#door").await, "", "the door is gone");
    service.stop();
}

#[tokio::test]
async fn a_lost_service_is_shown_and_found_again() {
    let home = Home::new();
    let service = home.start(&[]);
    let Some(mut browser) = opened(&home).await else { return };
    let origin = origin(&dashboard(&home));
    let port = origin.rsplit_once(':').unwrap().1.to_owned();
    service.kill();
    browser.shows("#state", "offline").await;
    let service = home.start(&["--port", &port]);
    browser.shows("#state", "online").await;
    browser.shows(".tree .name", "gateway").await;
    assert!(browser.wrongs().is_empty(), "{:#?}", browser.wrongs());
    service.stop();
}

/// The parameters of the last `connect` the page has sent.
fn connect(browser: &Browser) -> Value {
    let frames = browser.said().iter().map(|said| serde_json::from_str(said).unwrap());
    let mut connects = frames.rev().filter(|frame: &Value| frame["method"] == "connect");
    connects.next().expect("it connects")["params"].clone()
}

/// Checks the proof as the protocol's version 3 has it.
fn proven_device(connect: &Value) -> String {
    let decoded =
        |key: &str| URL_SAFE_NO_PAD.decode(connect["device"][key].as_str().unwrap()).unwrap();
    let text = |pointer: &str| connect.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let scopes: Vec<_> =
        connect["scopes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let key: [u8; 32] = decoded("publicKey").try_into().unwrap();
    let signed = format!(
        "v3|{}|{}|{}|{}|{}|{}|{}|{}|{}|",
        text("/device/id"),
        text("/client/id"),
        text("/client/mode"),
        text("/role"),
        scopes.join(","),
        connect["device"]["signedAt"],
        text("/auth/token"),
        text("/device/nonce"),
        text("/client/platform"),
    );
    let signature = Signature::from_slice(&decoded("signature")).unwrap();
    let key_used = VerifyingKey::from_bytes(&key).unwrap();
    key_used.verify_strict(signed.as_bytes(), &signature).expect("it is signed by its key");
    let id: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text("/device/id"), id);
    id
}

#[tokio::test]
async fn the_page_is_a_device_of_its_own_and_stays_the_same() {
    let home = Home::new();
    let service = home.start(&[]);
    let Some(mut browser) = opened(&home).await else { return };
    let before = connect(&browser);
    let first = proven_device(&before);
    browser.call("Page.reload", serde_json::json!({})).await;
    browser.shows("#state", "online").await;
    let after = connect(&browser);
    assert_eq!(proven_device(&after), first);
    assert_ne!(before["device"]["nonce"], after["device"]["nonce"], "each answers its challenge");
    service.stop();
}
