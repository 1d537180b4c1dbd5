//! Before a word is said: pages, names, proxies, ports and secrets on the disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::kit::{ALL, Client, Device, Gateway, TOKEN, connect, port_in, refused, scopes};
use crate::service::{Home, until};

/// The status code and the whole answer of an HTTP request.
fn get(port: u16, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or_default(), answer)
}

#[tokio::test]
async fn a_page_of_somebody_else_gets_nowhere() {
    let gateway = Gateway::with(&format!(
        "{{gateway: {{auth: {{token: '{TOKEN}'}}, controlUi: {{allowedOrigins: ['https://home.example']}}}}}}"
    ));
    let page = async |origin: &str, token: &str| {
        let mut client = gateway.knock_with(&[("origin", origin)]).await.unwrap();
        let mut params = connect("openclaw-control-ui", "webchat", &ALL);
        params["auth"] = json!({"token": token});
        client.connect_as(&Device::new(1), params).await
    };
    for foreign in ["https://evil.test", "null", "http://localhost:3000", "http://127.0.0.1:1"] {
        // It can't even find out whether it has guessed the token.
        let answers = [page(foreign, TOKEN).await, page(foreign, "wrong").await];
        assert_eq!(answers[0], answers[1], "{foreign}");
        assert_eq!(refused(&answers[0]), "CONTROL_UI_ORIGIN_NOT_ALLOWED");
        let headers = [("host", "127.0.0.1"), ("origin", foreign)];
        assert_eq!(get(gateway.port, "/healthz", &headers).0, 403, "{foreign}");
    }
    let own = format!("http://127.0.0.1:{}", gateway.port);
    for welcome in [own.as_str(), "https://home.example"] {
        assert_eq!(scopes(&page(welcome, TOKEN).await), ALL, "{welcome}");
    }
    // Our own page on this machine needs no device, any other does.
    for (origin, expected) in [(Some(own.as_str()), &ALL[..]), (None, &[])] {
        let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
        let mut client = gateway.knock_with(&headers).await.unwrap();
        let answer = client.connect(connect("webchat-ui", "webchat", &ALL)).await;
        assert_eq!(scopes(&answer), expected, "{origin:?}");
    }
}

#[tokio::test]
async fn a_name_that_was_bent_to_this_machine_is_turned_away() {
    let gateway = Gateway::start();
    for name in ["evil.test", "evil.test:18789", "127.0.0.1.evil.test"] {
        let origin = format!("http://{name}");
        let headers = [("host", name), ("origin", origin.as_str())];
        assert_eq!(gateway.knock_with(&headers).await.err(), Some(403), "{name}");
        let (status, answer) = get(gateway.port, "/healthz", &[("host", name)]);
        assert_eq!(status, 403, "{answer}");
        assert!(answer.contains("host_not_allowed"), "{answer}");
    }
    let (status, answer) = get(gateway.port, "/healthz", &[("host", "localhost")]);
    assert_eq!(status, 200, "{answer}");
    let said = answer.to_lowercase();
    for header in
        ["x-content-type-options: nosniff", "x-frame-options: deny", "frame-ancestors 'none'"]
    {
        assert!(said.contains(header), "{answer}");
    }
}

#[tokio::test]
async fn what_is_forwarded_is_never_taken_for_this_machine() {
    let gateway = Gateway::start();
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"] {
        assert_eq!(gateway.knock_with(&[(name, "127.0.0.1")]).await.err(), Some(403), "{name}");
        let headers = [("host", "localhost"), (name, "127.0.0.1")];
        let (status, answer) = get(gateway.port, "/healthz", &headers);
        assert_eq!(status, 403, "{name}");
        assert!(answer.contains("proxy_attribution_required"), "{answer}");
    }
    // Nor is a client of a proxy that is believed: it is paired by a person.
    let gateway = Gateway::behind_a_proxy();
    for address in ["127.0.0.1", "203.0.113.7", "nonsense"] {
        let mut client = gateway.knock_with(&[("x-forwarded-for", address)]).await.unwrap();
        let answer = client.connect_as(&Device::new(2), connect("cli", "cli", &ALL)).await;
        assert_eq!(refused(&answer), "PAIRING_REQUIRED", "{address}");
    }
}

#[tokio::test]
async fn a_proxy_that_has_asked_already_names_people() {
    let gateway = Gateway::with(
        "{gateway: {trustedProxies: ['127.0.0.1'], auth: {mode: 'trusted-proxy',
          trustedProxy: {userHeader: 'X-User', allowUsers: ['ann'], allowLoopback: true}}}}",
    );
    let by = async |headers: &[(&str, &str)]| {
        let mut client = gateway.knock_with(headers).await.unwrap();
        client.connect_as(&Device::new(3), connect("cli", "cli", &["operator.read"])).await
    };
    let ann = by(&[("x-forwarded-for", "203.0.113.7"), ("x-user", "ann")]).await;
    assert_eq!(refused(&ann), "PAIRING_REQUIRED", "known, and its device has to be approved");
    for headers in [
        &[("x-forwarded-for", "203.0.113.7"), ("x-user", "bob")][..],
        &[("x-forwarded-for", "203.0.113.7")],
        &[("x-forwarded-for", "127.0.0.1"), ("x-user", "ann")],
        &[("x-user", "ann")],
        &[],
    ] {
        let answer = by(headers).await;
        assert_eq!(refused(&answer), "AUTH_IDENTITY_HEADER_REQUIRED", "{headers:?}");
    }
}

// X2
#[test]
fn nothing_listens_beyond_this_machine_without_a_secret() {
    for (config, why) in [
        ("{gateway: {bind: 'lan', auth: {mode: 'none'}}}", "gateway.auth.mode"),
        ("{gateway: {bind: 'lan', auth: {token: 'secret'}}}", "easily guessed"),
        ("{gateway: {bind: 'lan'}}", "gateway.tls: {enabled: true}"),
        ("{gateway: {bind: 'lan'}}", "gateway.tls: {enabled: false}"),
        (
            "{gateway: {bind: 'custom', customBindHost: '0.0.0.0', trustedProxies: ['127.0.0.1']}}",
            "without encryption",
        ),
        (
            "{gateway: {tls: {enabled: true, certPath: '/nowhere/cert', autoGenerate: false}}}",
            "/nowhere/cert",
        ),
        ("{gateway: {auth: {mode: 'password'}}}", "gateway.auth.password"),
        ("{gateway: {mode: 'remote'}}", "gateway.mode"),
        ("{gateway: {bind: 'lan', auth: {mode: 'trusted-proxy'}}}", "trustedProxies"),
        ("{gateway: {bnd: 'lan'}}", "did you mean `bind`"),
    ] {
        let home = Home::new();
        home.configure(config);
        let ended = home.ask(&["run"]);
        assert_eq!(ended.code, 78, "{config}: {}", ended.err);
        assert!(ended.err.contains(why), "{config}: {}", ended.err);
    }
    let home = Home::new();
    home.configure("{gateway: {bind: 'lan'}}");
    home.set_env("OPENCLAW_GATEWAY_TOKEN", "short".as_ref());
    let ended = home.ask(&["run"]);
    assert_eq!(ended.code, 78, "{}", ended.err);
    assert!(!ended.err.contains("short\n"), "a secret is not shown: {}", ended.err);
}

#[tokio::test]
async fn without_a_token_a_strong_one_is_made_and_kept_to_its_owner() {
    let gateway = Gateway::with("{}");
    let path = gateway.home.state_dir().join("gateway-token");
    let token = std::fs::read_to_string(&path).unwrap();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&gateway.home.state_dir())), (0o600, 0o700));
    let gateway = gateway.kill_and_start();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), token, "kept over a kill");
    let mut params = connect("cli", "cli", &["operator.read"]);
    params["auth"] = json!({"token": token});
    let answer = gateway.knock().await.connect(params).await;
    assert_eq!(scopes(&answer), ["operator.read"]);
    assert!(!gateway.service.log().contains(&token), "it is not logged");
    assert!(!gateway.service.out().contains(&token), "nor printed");
    gateway.service.stop();
    // A weak one that somebody put there is not used.
    std::fs::write(&path, "hunter2").unwrap();
    let ended = gateway.home.ask(&["run"]);
    assert_eq!(ended.code, 78, "{}", ended.err);
}

#[tokio::test]
async fn a_second_service_touches_neither_port_nor_token() {
    let gateway = Gateway::with("{}");
    let path = gateway.home.state_dir().join("gateway-token");
    std::fs::remove_file(&path).unwrap();
    let second = gateway.home.ask(&["run"]);
    assert_eq!(second.code, 78, "{}", second.err);
    assert!(second.err.contains("in use"), "the lock is asked first: {}", second.err);
    assert!(!path.exists(), "and nothing was made");
    assert_eq!(get(gateway.port, "/healthz", &[("host", "localhost")]).0, 200);
}

#[tokio::test]
async fn the_port_is_the_command_lines_then_the_environments_then_the_configs() {
    let free = || {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let started = |home: &Home, args: &[&str]| {
        let service = home.start(args);
        let port = until("the gateway says its port", || port_in(&service.out()));
        service.stop();
        port
    };
    let [config, env, line] = [free(), free(), free()];
    let home = Home::new();
    home.configure(&format!("{{gateway: {{port: {config}}}}}"));
    home.set_env("TELSON_GATEWAY_PORT", "".as_ref());
    assert_eq!(started(&home, &[]), config);
    home.set_env("OPENCLAW_GATEWAY_PORT", env.to_string().as_ref());
    assert_eq!(started(&home, &[]), env);
    assert_eq!(started(&home, &["--port", &line.to_string()]), line);
}

#[tokio::test]
async fn an_address_of_the_lan_is_listened_on_beside_this_machine() {
    let gateway = Gateway::with(&format!(
        "{{gateway: {{bind: 'custom', customBindHost: '127.0.0.2', auth: {{token: '{TOKEN}'}}}}}}"
    ));
    for address in ["127.0.0.1", "127.0.0.2"] {
        let url = format!("ws://{address}:{}", gateway.port);
        let mut client = Client::open(&url, &[]).await.unwrap();
        let answer = client.connect(connect("cli", "cli", &["operator.read"])).await;
        assert_eq!(scopes(&answer), ["operator.read"], "{address}");
    }
}

// As recorded from the incumbent.
#[tokio::test]
async fn who_is_connected_is_told_of_the_end() {
    let gateway = Gateway::start();
    let mut client = gateway.owner().await;
    gateway.service.stop();
    assert_eq!(client.event("shutdown").await, json!({"reason": "gateway stopping"}));
    assert_eq!(client.end().await, (1012, "service restart".to_owned()));
}
