//! Clients that behave badly: too slow, too much, or not HTTP at all.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::json;

use super::kit::{HOOK_TOKEN, Scene, TOKEN, endpoints, read, request};

fn scene() -> Scene {
    let mut config = endpoints();
    config["hooks"] = json!({"enabled": true, "token": HOOK_TOKEN, "maxBodyBytes": 1000});
    Scene::new(config)
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let scene = scene();
    let service = scene.start();
    for (path, token) in [
        ("/v1/chat/completions", TOKEN),
        ("/v1/responses", TOKEN),
        ("/tools/invoke", TOKEN),
        ("/hooks/agent", HOOK_TOKEN),
    ] {
        let bearer = format!("Bearer {token}");
        let stated = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("content-length", "2147483648"),
        ];
        let answer = service.send("POST", path, &stated, "");
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], "payload_too_large");
    }
    // One that states nothing is counted.
    let bearer = format!("Bearer {HOOK_TOKEN}");
    let chunked = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
    ];
    let head = request("POST", "/hooks/agent", &chunked, "");
    let answer = service.raw(&format!("{head}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000)));
    assert_eq!(answer.status, 413, "{answer:?}");
    service.process.stop();
}

#[test]
fn what_is_no_request_is_refused() {
    let scene = scene();
    let service = scene.start();
    for garbage in ["nonsense\r\n\r\n", "GET /healthz SMTP/9\r\n\r\n", "GET\r\n\r\n"] {
        assert_eq!(service.raw(garbage).status, 400, "{garbage:?}");
    }
    let long = "x".repeat(128 * 1024);
    let answer = service.send("GET", "/healthz", &[("x-long", &long)], "");
    assert!((400..500).contains(&answer.status), "{answer:?}");
    for (body, kind, status) in [
        ("{}", "text/plain", 415),
        ("a=1", "application/x-www-form-urlencoded", 415),
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("\"x\"", "application/json", 400),
        ("", "application/json", 400),
    ] {
        for (path, token) in [("/v1/chat/completions", TOKEN), ("/hooks/agent", HOOK_TOKEN)] {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            let answer = service.send("POST", path, &headers, body);
            assert_eq!(answer.status, status, "{path} {body:?} {kind}: {answer:?}");
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
    }
    let deep = format!("{{\"message\": {}1{}}}", "[".repeat(450), "]".repeat(450));
    let bearer = format!("Bearer {HOOK_TOKEN}");
    let answer = service.send("POST", "/hooks/agent", &[("authorization", &bearer)], &deep);
    assert_eq!(answer.status, 400, "{answer:?}");
    service.process.stop();
}

#[test]
fn who_takes_his_time_is_cut_off_and_holds_up_nobody() {
    let scene = scene();
    let service = scene.start();
    let mut slow: Vec<_> = (0..50).map(|_| service.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ").unwrap();
    }
    // One that has sent its headers and leaves its body out.
    let bearer = format!("Bearer {HOOK_TOKEN}");
    let stated = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", "10"),
    ];
    let mut bodiless = service.connect();
    bodiless.write_all(request("POST", "/hooks/agent", &stated, "").as_bytes()).unwrap();
    assert_eq!(service.get("/healthz").status, 200);
    for stream in &mut slow {
        let mut rest = Vec::new();
        // Either an end, or a reset; not a wait for ever.
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }
    assert_eq!(read(&mut bodiless).status, 408);
    service.process.stop();
}

#[test]
fn an_answer_that_is_left_unread_holds_no_connection() {
    let scene = scene();
    let service = scene.start();
    let mut greedy = service.connect();
    let one = request("GET", "/healthz", &[], "").replace("connection: close\r\n", "");
    greedy.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let many = one.repeat(1000);
    let mut written = 0;
    // It stops taking requests once nobody reads its answers.
    while written < 64 * 1024 * 1024 {
        match greedy.write(many.as_bytes()) {
            Ok(length) => written += length,
            Err(_) => break,
        }
    }
    assert!(written < 64 * 1024 * 1024, "it took everything");
    assert_eq!(service.get("/healthz").status, 200);
    service.process.stop();
}

#[test]
fn the_way_to_websocket_is_still_there() {
    let scene = scene();
    let service = scene.start();
    let mut stream = service.connect();
    let ask = "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
               sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut piece = [0; 4096];
    let mut seen = String::new();
    while !seen.contains("connect.challenge") {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "it ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(seen.starts_with("HTTP/1.1 101"), "{seen}");
    assert!(seen.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
    service.process.stop();
}
