//! The gateway's port while the service waits for space: it says so, and turns nobody away for good.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::until;
use crate::rig::Rig;

/// The status code and the body of a request; nothing while nobody answers.
fn get(port: u16, path: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?))
}

/// What a client hears that asks to be let in; nothing while nobody answers.
async fn connect(port: u16) -> Option<Value> {
    let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{port}")).await.ok()?;
    let challenge = socket.next().await?.ok()?;
    assert!(challenge.to_text().unwrap().contains("connect.challenge"), "{challenge}");
    let params = json!({
        "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": [], "caps": [],
        "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
    });
    let request = json!({"type": "req", "id": "c", "method": "connect", "params": params});
    socket.send(Message::text(request.to_string())).await.ok()?;
    serde_json::from_str(socket.next().await?.ok()?.to_text().ok()?).ok()
}

async fn waits(port: u16) {
    let (status, ready) = until("it says that it is not ready", || {
        get(port, "/readyz").filter(|(_, body)| body.to_string().contains("waiting for space"))
    });
    assert_eq!(status, 503, "{ready}");
    assert_eq!(ready["failing"][0]["part"], "engine", "{ready}");
    // Between two tries of the service there is a moment in which nobody answers.
    assert_eq!(until("it says that it lives", || get(port, "/healthz")).0, 200);
    assert_eq!(until("it says that it has not started", || get(port, "/startupz")).0, 503);
    let answer = loop {
        if let Some(answer) = connect(port).await {
            break answer;
        }
    };
    assert_eq!(answer["ok"], false, "{answer}");
    assert_eq!(answer["error"]["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(answer["error"]["details"]["reason"], "startup-sidecars", "{answer}");
    assert!(answer["error"]["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{answer}");
}

#[tokio::test]
async fn the_port_is_served_while_the_service_waits_for_space() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut rig = Rig::new();
    rig.home.set_env("TELSON_GATEWAY_PORT", free.to_string().as_ref());
    let service = rig.start();
    assert_eq!(get(free, "/readyz").unwrap().0, 200);
    rig.set("full", "0");
    rig.stage.write(1).unwrap();
    waits(free).await;
    // The same for one that starts on a full disk.
    service.kill();
    let service = rig.spawn();
    waits(free).await;
    rig.clear("full");
    rig.answered();
    until("it is ready", || get(free, "/readyz").filter(|(status, _)| *status == 200));
    service.stop();
}
