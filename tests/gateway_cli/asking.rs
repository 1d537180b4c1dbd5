//! Asking a real service, and what is said when that does not work.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::double::{Double, refusal};
use crate::kit::{Home, until};

/// Where the service of a home is, and its token.
fn reach(home: &Home) -> (String, String) {
    let (code, document) = home.ask_json(&["dashboard"]);
    assert_eq!(code, 0, "{document}");
    let (page, token) = document["url"].as_str().unwrap().split_once("#token=").unwrap();
    (page.replace("http://", "ws://"), token.to_owned())
}

#[test]
fn a_method_is_called_over_the_socket_here_and_over_the_gateway_from_elsewhere() {
    let home = Home::new();
    let service = home.start(&[]);
    let (url, token) = reach(&home);
    let here = home.ask_json(&["gateway", "call", "health"]);
    assert_eq!((here.0, &here.1["ok"]), (0, &json!(true)), "{}", here.1);
    // From a machine that has nothing of the service but its address and token.
    let away = Home::new();
    let there = ["--url", &url, "--token", &token];
    for command in [
        &["gateway", "call", "telson.why", "--params", r#"{"query": "x"}"#][..],
        &["health"],
        &["status"],
        &["tree"],
        &["usage"],
        &["dead-letters", "list"],
    ] {
        let (code, document) = away.ask_json(&[&there[..], command].concat());
        assert_eq!(code, 0, "{command:?}: {document}");
    }
    let tree = away.ask(&[&there[..], &["tree"]].concat());
    assert!(tree.out.contains("dead_letters"), "{}", tree.out);
    let health = away.ask(&[&there[..], &["health"]].concat());
    assert!(health.out.starts_with("healthy, up "), "{}", health.out);
    away.set_env("TELSON_GATEWAY_URL", url.as_ref());
    away.set_env("TELSON_GATEWAY_TOKEN", token.as_ref());
    assert_eq!(away.ask(&["health"]).code, 0, "the same from the environment");
    assert!(!away.state_dir().exists(), "asking leaves nothing behind");
    service.stop();
}

#[test]
fn what_is_asked_wrongly_has_its_own_code() {
    let home = Home::new();
    let service = home.start(&[]);
    let (url, token) = reach(&home);
    for (args, word) in [
        (&["gateway", "call", "health", "--params", "{"][..], "--params is not JSON"),
        (&["gateway", "call", "no.such"], "unknown method: no.such"),
        (&["health", "--url", "18789"], "ws://host:port"),
        (&["health", "--url", "ws://a:b@host"], "must not hold a secret"),
        (&["chat", "--json"], "--json needs --message"),
        (&["gateway", "call", "no.such", "--url", &url, "--token", &token], "unknown method"),
        (&["dead-letters", "replay", "d1", "--text", " "], "params.text"),
    ] {
        let finished = home.ask(args);
        assert_eq!(finished.code, 2, "{args:?}: {finished:?}");
        let said = finished.err + &finished.out;
        assert!(said.contains(word), "{args:?}: {said}");
    }
    service.stop();
}

#[test]
fn nobody_there_something_else_there_and_a_wrong_token_are_told_apart() {
    let home = Home::new();
    let service = home.start(&[]);
    let (url, token) = reach(&home);
    let wrong = home.ask(&["health", "--url", &url, "--token", "wrong"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.err.contains("token mismatch") && wrong.err.contains("--token"), "{}", wrong.err);
    // The token of this machine is not sent to an address somebody names.
    let none = home.ask(&["health", "--url", &url]);
    assert!(none.code == 1 && none.err.contains("give the token"), "{none:?}");
    service.stop();
    let nobody = home.ask(&["health", "--url", &url, "--token", &token]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("no gateway answers at ws://127.0.0.1"), "{}", nobody.err);

    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("ws://{}", web.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = web.accept().unwrap();
        let _read = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let stranger = home.ask(&["health", "--url", &other, "--token", &token]);
    assert_eq!(stranger.code, 1);
    assert!(
        stranger.err.contains("is no gateway: it answers with HTTP status 404"),
        "{stranger:?}"
    );
}

#[test]
fn a_gateway_of_another_version_is_named_as_such() {
    let home = Home::new();
    let newer = Double::start(|id, method, _| {
        let details = json!({"code": "PROTOCOL_MISMATCH"});
        let error =
            json!({"code": "INVALID_REQUEST", "message": "protocol mismatch", "details": details});
        if method == "connect" { vec![refusal(id, error), json!({})] } else { vec![] }
    });
    let refused = home.ask(&["health", "--url", &newer.url(), "--token", "x"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("protocol mismatch"), "{}", refused.err);
    assert!(refused.err.contains("too old"), "{}", refused.err);
}

#[test]
fn a_gateway_that_goes_away_in_a_call_is_told() {
    let home = Home::new();
    let gone =
        Double::start(|_, method, _| if method == "connect" { vec![] } else { vec![json!({})] });
    let token = crate::double::TOKEN;
    let finished = home.ask(&["health", "--url", &gone.url(), "--token", token]);
    assert_eq!(finished.code, 1);
    assert!(finished.err.contains("connection to the gateway at"), "{}", finished.err);
    assert!(finished.err.contains("is lost"), "{}", finished.err);
}

#[test]
fn the_dashboard_is_printed_and_opened() {
    let home = Home::new();
    let absent = home.ask(&["dashboard"]);
    assert_eq!(absent.code, 1, "{absent:?}");
    assert!(absent.err.contains("no telson is running"), "{}", absent.err);
    let service = home.start(&[]);
    let bin = home.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["xdg-open", "open"] {
        let seen = home.path("seen");
        let script = format!("#!/bin/sh\nprintf %s \"$1\" > '{}'\n", seen.display());
        std::fs::write(bin.join(program), script).unwrap();
        std::fs::set_permissions(bin.join(program), PermissionsExt::from_mode(0o700)).unwrap();
    }
    home.set_env("PATH", &bin);
    let printed = home.ask(&["dashboard", "--open"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    let url = printed.out.trim();
    assert!(url.starts_with("http://127.0.0.1:") && url.contains("/#token="), "{url}");
    let seen = until("the browser is asked", || std::fs::read_to_string(home.path("seen")).ok());
    assert_eq!(seen, url);
    service.stop();
}
