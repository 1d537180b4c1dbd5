//! Whether the gateway lives, has started, and can work.

use std::io::{Read as _, Write as _};

use serde_json::json;

use super::kit::{HOOK_TOKEN, Scene, TOKEN, endpoints, request};
use super::service_kit::until;

#[test]
fn a_service_that_works_says_so_under_both_names() {
    let scene = Scene::new(json!({}));
    let service = scene.start();
    for (paths, status) in [
        (["/health", "/healthz"], "live"),
        (["/startup", "/startupz"], "started"),
        (["/ready", "/readyz"], "ready"),
    ] {
        for path in paths {
            let answer = service.get(path);
            assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some(status)));
            assert_eq!(answer.json()["ok"], true);
        }
    }
    service.process.stop();
}

#[test]
fn every_answer_carries_the_same_headers() {
    let scene = Scene::new(endpoints());
    let service = scene.start();
    let answers = [
        service.get("/healthz"),
        service.get("/nothing"),
        service.get("/v1/models"),
        service.get_as_operator("/v1/models"),
        service.get_as_operator("/api/diagnostics/prometheus"),
        service.send("DELETE", "/healthz", &[], ""),
        service.post("/v1/chat/completions", &[], &json!({})),
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404, 401, 200, 200, 405, 400]);
    for answer in &answers {
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    }
    service.process.stop();
}

#[test]
fn an_account_that_cannot_work_is_told_to_those_who_may_know() {
    let scene = Scene::new(json!({
        "channels": {"imessage": {"dbPath": "/nowhere/chat.db", "cliPath": "/nowhere/imsg"}},
    }));
    let service = scene.start();
    let bearer = format!("Bearer {TOKEN}");
    let answer = until("the account is in trouble", || {
        let answer = service.get("/readyz");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(answer.json()["failing"][0]["part"], "imessage/default", "{answer:?}");
    assert!(!answer.json()["failing"][0]["why"].as_str().unwrap().is_empty());
    // A page that leads a browser here under its own name, and a proxy that vouches for nobody.
    for stranger in [("host", "evil.test"), ("x-forwarded-for", "10.0.0.1")] {
        let answer = service.send("GET", "/readyz", &[stranger], "");
        assert_eq!((answer.status, answer.json().get("failing")), (403, None), "{answer:?}");
    }
    let operator = [("authorization", bearer.as_str())];
    let answer = service.send("GET", "/readyz", &operator, "");
    assert_eq!(answer.json()["failing"][0]["part"], "imessage/default", "{answer:?}");
    assert_eq!(service.get("/healthz").status, 200, "it lives all the same");
    service.process.stop();
}

#[test]
fn a_service_that_drains_takes_nothing_new_and_answers_what_it_has() {
    let mut config = endpoints();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN});
    let scene = Scene::new(config);
    let service = scene.start();
    let body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "SLOW one"}]});
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| service.post("/v1/chat/completions", &[], &body));
        until("the model is asked", || (scene.model.asked("SLOW one") == 1).then_some(()));
        service.process.signal(rustix::process::Signal::TERM);
        let answer = until("it drains", || {
            let answer = service.get("/startupz");
            (answer.status == 503).then_some(answer)
        });
        assert_eq!(answer.json()["status"], "draining");
        assert_eq!(service.get("/readyz").status, 503);
        assert_eq!(service.get("/healthz").status, 200);
        let refused = service.post("/v1/chat/completions", &[], &body);
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("1")),
            "{refused:?}"
        );
        assert_eq!(service.hook("agent", &[], &json!({"message": "late"})).status, 503);
        scene.model.release();
        let answer = asking.join().unwrap();
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "begun ended", "{answer:?}");
    });
    let finished = service.process.finish();
    assert_eq!(finished.code, 0, "{}", finished.err);
    assert_eq!(scene.model.asked("late"), 0);
}

#[test]
fn a_service_that_is_suspended_takes_nothing_new_until_it_goes_on() {
    let mut config = endpoints();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN});
    let scene = Scene::new(config);
    let service = scene.start();
    let wish = json!({"requestId": "snapshot"});
    let lease = service.process.call("gateway.suspend.prepare", &wish);
    assert_eq!(lease["status"], "ready", "{lease}");
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, &ready.json()["failing"][0]["part"]),
        (503, &json!("gateway-draining"))
    );
    assert_eq!((service.get("/healthz").status, service.get("/startupz").status), (200, 200));
    let body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "meanwhile"}]});
    let refused = service.post("/v1/chat/completions", &[], &body);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(service.hook("agent", &[], &json!({"message": "meanwhile"})).status, 503);
    assert_eq!(scene.model.asked("meanwhile"), 0);
    let id = json!({"suspensionId": lease["suspensionId"]});
    assert_eq!(service.process.call("gateway.suspend.resume", &id)["resumed"], true);
    assert_eq!(service.get("/readyz").status, 200);
    assert_eq!(service.post("/v1/chat/completions", &[], &body).status, 200);
    assert_eq!(scene.model.asked("meanwhile"), 1);
    service.process.stop();
}

// A connection that waits for the rest of what it was promised says so: it reads the body by then.
#[test]
fn only_who_may_ask_keeps_the_gateway_from_becoming_quiet() {
    let mut config = endpoints();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN, "presets": ["github"]});
    let scene = Scene::new(config);
    let service = scene.start();
    let begin = |path: &str, more: &[(&str, &str)]| {
        let headers = [&[("expect", "100-continue"), ("content-length", "100")], more].concat();
        let mut stream = service.connect();
        stream.write_all(request("POST", path, &headers, "").as_bytes()).unwrap();
        let mut heard = [0; 12];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"HTTP/1.1 100");
        stream
    };
    let prepare =
        |wish: &str| service.process.call("gateway.suspend.prepare", &json!({"requestId": wish}));
    let stranger = begin("/hooks/github", &[]);
    let lease = prepare("stranger");
    assert_eq!(lease["status"], "ready", "{lease}");
    let id = json!({"suspensionId": lease["suspensionId"]});
    assert_eq!(service.process.call("gateway.suspend.resume", &id)["resumed"], true);
    let bearer = format!("Bearer {TOKEN}");
    let operator = begin("/v1/chat/completions", &[("authorization", &bearer)]);
    let busy = prepare("operator");
    assert_eq!(
        (&busy["status"], &busy["blockers"][0]["kind"]),
        (&json!("busy"), &json!("root-request")),
        "{busy}"
    );
    drop((stranger, operator));
    service.process.stop();
}
