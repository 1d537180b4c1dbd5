//! Connections that are kept without asking anything: how many, and how long.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::kit::{ALL, Gateway, TOKEN, connect, scopes};
use crate::service::until;

/// Places of one address for those who keep a connection, as the README has it.
const KEPT_MAX: usize = 128;

/// Asks for health, reads the answer, and keeps the connection.
fn keep(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut bytes = [0; 1024];
    while !answer.ends_with(b"}") {
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "an answer, then silence: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut reader = stream;
    match reader.read(&mut [0; 16]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn open(kept: &[TcpStream]) -> usize {
    kept.iter().filter(|stream| is_open(stream)).count()
}

// L1
#[tokio::test]
async fn one_address_keeps_few_connections_and_pushes_out_only_its_own_idle_ones() {
    let gateway = Gateway::start();
    let mut neighbour = gateway.owner().await;
    // One whose request is not over yet.
    let mut slow = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    let body = json!({"tool": "no_such_tool", "args": {}}).to_string();
    let head = format!(
        "POST /tools/invoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    let kept: Vec<TcpStream> = (0..4 * KEPT_MAX).map(|_| keep(gateway.port)).collect();
    let begun = Instant::now();
    until("the oldest were pushed out", || (open(&kept) <= KEPT_MAX).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(10), "at once, not when their time was up");
    assert!(is_open(&kept[kept.len() - 1]), "the newest stays");
    neighbour.call("health", json!({})).await.expect("who has said who it is stays");
    slow.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "a request under way is answered: {answer}");
    let answer = gateway.knock().await.connect(connect("cli", "cli", &ALL)).await;
    assert_eq!(scopes(&answer), ALL, "and somebody new is let in");
    let begun = Instant::now();
    until("nobody keeps one without asking", || (open(&kept) == 0).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(35));
}
