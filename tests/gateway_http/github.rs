//! Senders with a preset: GitHub by its signature, Gmail's pushes.

use base64::Engine as _;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::kit::{Answer, HOOK_TOKEN, Scene, Service};

const SECRET: &str = "what-github-signs-with";

fn scene() -> Scene {
    Scene::new(json!({"hooks": {
        "enabled": true,
        "token": HOOK_TOKEN,
        "githubSecret": SECRET,
        "presets": ["github", "gmail"],
    }}))
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    format!("sha256={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn deliver(service: &Service, id: &str, event: &str, signature: &str, body: &str) -> Answer {
    let headers =
        [("x-github-event", event), ("x-github-delivery", id), ("x-hub-signature-256", signature)];
    service.send("POST", "/hooks/github", &headers, body)
}

fn issue(title: &str) -> String {
    json!({
        "action": "opened",
        "issue": {"title": title, "html_url": "https://github.test/a/b/issues/1"},
        "repository": {"full_name": "a/b"},
        "sender": {"login": "anna"},
    })
    .to_string()
}

#[test]
fn a_delivery_of_github_is_known_by_its_signature_and_taken_once() {
    let scene = scene();
    let service = scene.start();
    let body = issue("SIGNED");
    let right = signature(SECRET, &body);
    let answer = deliver(&service, "d-1", "issues", &right, &body);
    assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(false)), "{answer:?}");
    let again = deliver(&service, "d-1", "issues", &right, &body);
    assert_eq!((again.status, &again.json()["duplicate"]), (200, &json!(true)), "{again:?}");
    service.process.idle();
    assert_eq!(scene.model.asked("SIGNED"), 1, "a replay has no effect");
    let asked = scene.model.question("SIGNED");
    for line in ["event: issues opened", "repository: a/b", "by: anna", "A webhook (GitHub)"] {
        assert!(asked.contains(line), "{line}: {asked}");
    }
    let ping = json!({"zen": "x"}).to_string();
    let answer = deliver(&service, "d-2", "ping", &signature(SECRET, &ping), &ping);
    assert_eq!((answer.status, &answer.json()["pong"]), (200, &json!(true)));
    service.process.stop();
}

// The text of a delivery is made here; its number is what GitHub knows it by.
#[test]
fn a_delivery_that_comes_again_is_known_although_the_config_makes_another_text_of_it() {
    let mut scene = scene();
    let body = issue("SIGNED");
    let right = signature(SECRET, &body);
    let service = scene.start();
    assert_eq!(deliver(&service, "d-1", "issues", &right, &body).json()["duplicate"], false);
    service.process.stop();
    scene.configure(|config, _| {
        let template = "MAPPED {{issue.title}} by {{headers.x-github-event}}";
        config["hooks"]["mappings"] =
            json!([{"match": {"path": "github"}, "messageTemplate": template}]);
    });
    let service = scene.start();
    let again = deliver(&service, "d-1", "issues", &right, &body);
    assert_eq!((again.status, &again.json()["duplicate"]), (200, &json!(true)), "{again:?}");
    assert_eq!(deliver(&service, "d-2", "issues", &right, &body).json()["duplicate"], false);
    service.process.idle();
    assert_eq!((scene.model.asked("action: opened"), scene.model.asked("MAPPED")), (0, 1));
    service.process.stop();
}

#[test]
fn a_delivery_without_the_right_signature_is_refused() {
    let scene = scene();
    let service = scene.start();
    let body = issue("FORGED");
    let right = signature(SECRET, &body);
    for wrong in [
        signature("another", &body),
        signature(HOOK_TOKEN, &body),
        signature(SECRET, &issue("FORGED twice")),
        right.replace("sha256=", "sha1="),
        right[..60].to_owned(),
        String::new(),
    ] {
        let answer = deliver(&service, "d-3", "issues", &wrong, &body);
        assert_eq!(answer.status, 401, "{wrong}: {answer:?}");
    }
    let bearer = format!("Bearer {HOOK_TOKEN}");
    let answer = service.send("POST", "/hooks/github", &[("authorization", &bearer)], &body);
    assert_eq!(answer.status, 401, "a token is no signature: {answer:?}");
    let unnamed = [("x-github-event", "issues"), ("x-hub-signature-256", right.as_str())];
    let answer = service.send("POST", "/hooks/github", &unnamed, &body);
    assert_eq!(answer.status, 400, "without a delivery's id nobody can tell a replay: {answer:?}");
    service.process.idle();
    assert_eq!(scene.model.asked("FORGED"), 0);
    service.process.stop();
}

#[test]
fn a_push_of_gmail_is_read_in_both_shapes_and_taken_once() {
    let scene = scene();
    let service = scene.start();
    let data = json!({"emailAddress": "anna@mail.test", "historyId": 4711}).to_string();
    let data = base64::engine::general_purpose::STANDARD.encode(data);
    let push = json!({
        "message": {"data": data, "messageId": "77", "publishTime": "2026-01-01T00:00:00Z"},
        "subscription": "projects/x/subscriptions/y",
    });
    let told = |push: &Value| service.hook("gmail", &[], push);
    assert_eq!(told(&push).json()["duplicate"], false);
    assert_eq!(told(&push).json()["duplicate"], true, "Pub/Sub delivers at least once");
    let mail =
        json!({"messages": [{"id": "m1", "from": "Bob", "subject": "MAILED", "body": "hi"}]});
    assert_eq!(told(&mail).status, 200);
    assert_eq!(told(&json!({"message": {"data": "%"}})).status, 400);
    // Where nobody's signed identity counts it is a wrong token.
    let jwt = [("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln")];
    assert_eq!(service.send("POST", "/hooks/gmail", &jwt, &push.to_string()).status, 401);
    service.process.idle();
    assert_eq!(scene.model.asked("anna@mail.test has changed (history 4711)"), 1);
    assert_eq!(scene.model.asked("Subject: MAILED"), 1);
    service.process.stop();
}
