//! Crowds, rubbish, and clients that do not read: what they cost, and whom.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::{ALL, Client, Gateway, connect, scopes};
use crate::service::{Process, until};

/// What a crowd of strangers may cost, in KiB of resident memory.
const CROWD_KIB_MAX: u64 = 48 * 1024;
/// What a client that does not read may cost.
const DEAF_KIB_MAX: u64 = 96 * 1024;

/// Resident memory in KiB, as the system counts it.
fn resident(service: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The time that nearly every one of 200 calls takes.
async fn p99(client: &mut Client) -> Duration {
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        client.call("health", json!({})).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[197]
}

/// As many open files as the system gives this process.
fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum.map(|maximum| maximum.min(1 << 20)), ..now };
    setrlimit(Resource::Nofile, raised).unwrap();
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

// L1
#[tokio::test]
async fn ten_thousand_that_say_nothing_cost_little_and_delay_nobody() {
    let limit = raise_open_files();
    assert!(limit > 10_500, "this needs 10,500 open files and the limit is {limit}: ulimit -n");
    let gateway = Gateway::start();
    let mut client = gateway.owner().await;
    let calm = p99(&mut client).await;
    let before = resident(&gateway.service);
    let mut crowd = Vec::new();
    for n in 0..10_000 {
        let stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        // Some stop before their request, some within it, some before their first frame.
        let begun = match n % 3 {
            0 => "",
            1 => "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: web",
            _ => {
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            }
        };
        std::io::Write::write_all(&mut &stream, begun.as_bytes()).ok();
        crowd.push(stream);
    }
    let busy = p99(&mut client).await;
    let grown = resident(&gateway.service).saturating_sub(before);
    assert!(grown < CROWD_KIB_MAX, "10,000 strangers cost {grown} KiB");
    // This machine is noisy; a gateway that served the crowd first would need seconds.
    let bound = calm.mul_f64(1.5) + Duration::from_millis(100);
    assert!(busy < bound, "p99 {calm:?} alone and {busy:?} with the crowd");
    // A new client is let in while the crowd stands there, and nearly all of it was sent away.
    assert_eq!(scopes(&gateway.knock().await.connect(connect("cli", "cli", &ALL)).await), ALL);
    let open = || {
        let mut open = 0;
        for stream in &crowd {
            stream.set_nonblocking(true).unwrap();
            let mut bytes = [0; 4096];
            let mut stream = stream;
            let still = loop {
                match stream.read(&mut bytes) {
                    Ok(0) => break false,
                    Ok(_) => {}
                    Err(error) => break error.kind() == std::io::ErrorKind::WouldBlock,
                }
            };
            open += usize::from(still);
        }
        open
    };
    until("most of the crowd was sent away", || (open() <= 256).then_some(()));
    eprintln!("crowd of 10,000: {grown} KiB, p99 {calm:?} alone, {busy:?} with it");
}

#[tokio::test]
async fn rubbish_is_answered_or_ends_its_own_connection() {
    let gateway = Gateway::start();
    let mut neighbour = gateway.owner().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    // After the handshake: what is no object says nothing of its sender, and is passed over.
    let passed =
        ["", "xx", "null", "5", "[]", "\"text\"", "{\"type\":", "{]", &deep, "\u{0}\u{7f}"];
    let answered = [
        ("{}", json!("invalid")),
        (r#"{"type":"req"}"#, json!("invalid")),
        (r#"{"type":"nope","id":"7"}"#, json!("7")),
        (r#"{"type":"req","id":5}"#, json!(5)),
        (r#"{"type":"req","id":"8"}"#, json!("8")),
        (r#"{"type":"req","id":"8","method":""}"#, json!("8")),
        (r#"{"type":"req","id":"8","method":7}"#, json!("8")),
        (r#"{"type":"req","id":"","method":"health"}"#, json!("")),
        (r#"{"type":"req","id":"9","method":"health","more":1}"#, json!("9")),
        (r#"{"type":"req","id":"9","method":"no.such.method"}"#, json!("9")),
        (r#"{"type":"req","id":"9","method":"telson.why","params":[1]}"#, json!("9")),
        (r#"{"type":"req","id":"9","method":"telson.why","params":"x"}"#, json!("9")),
        (r#"{"type":"res","id":"9","ok":true}"#, json!("9")),
    ];
    let mut client = gateway.owner().await;
    for text in passed {
        client.say(text).await;
    }
    for (text, id) in answered {
        client.say(text).await;
        let answer = client.hear().await.unwrap();
        assert_eq!((&answer["id"], &answer["ok"]), (&id, &json!(false)), "{text}: {answer}");
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{text}: {answer}");
    }
    let long = format!(
        r#"{{"type":"req","id":"t","method":"health","traceparent":"{}"}}"#,
        "a".repeat(129)
    );
    client.say(&long).await;
    assert_eq!(client.hear().await.unwrap()["id"], "t");
    client.call("health", json!({})).await.expect("the connection stays");
    client.say_message(Message::binary(vec![0; 10])).await.unwrap();
    assert_eq!(client.end().await.0, 1006, "bytes are no frame of this protocol");
    let deep = "[".repeat(40_000);
    // Before it: the first mistake is the last.
    for text in ["{}", "[]", "", r#"{"type":"req","id":"1","method":"connect"}"#, &deep] {
        let mut stranger = gateway.knock().await;
        stranger.say(text).await;
        let (code, _) = stranger.end().await;
        assert!([1000, 1008].contains(&code), "{text:.40}: {code}");
    }
    neighbour.call("health", json!({})).await.expect("a neighbour notices nothing");
}

#[tokio::test]
async fn a_stranger_sends_no_more_than_a_handshake_needs() {
    let gateway = Gateway::start();
    let before = resident(&gateway.service);
    for size in [70 * 1024, 1024 * 1024, 8 * 1024 * 1024] {
        let mut stranger = gateway.knock().await;
        // The gateway may hang up while this is still being said.
        drop(stranger.say_message(Message::text("a".repeat(size))).await);
        let (code, _) = stranger.end().await;
        assert_eq!(code, 1006, "{size}");
    }
    let grown = resident(&gateway.service).saturating_sub(before);
    assert!(grown < 8 * 1024, "strangers left {grown} KiB");
    // One who is let in may say more.
    let mut client = gateway.owner().await;
    let query = json!({"query": "a".repeat(1024 * 1024)});
    client.call("telson.why", query).await.expect("a long request");
}

#[tokio::test]
async fn one_that_never_reads_costs_little_and_is_ended() {
    let gateway = Gateway::start();
    let mut neighbour = gateway.owner().await;
    let before = resident(&gateway.service);
    let mut deaf = gateway.owner().await;
    let frame =
        json!({"type": "req", "id": "x", "method": "telson.tree", "params": {}}).to_string();
    let mut most = 0;
    let begun = Instant::now();
    // It asks and asks, until nothing more is taken from it.
    let ended = loop {
        let said = tokio::time::timeout(
            Duration::from_millis(200),
            deaf.say_message(Message::text(frame.clone())),
        );
        if let Ok(Err(_)) = said.await {
            break true;
        }
        if begun.elapsed() > Duration::from_mins(1) {
            break false;
        }
        most = most.max(resident(&gateway.service).saturating_sub(before));
        if most > DEAF_KIB_MAX {
            break false;
        }
        neighbour.call("health", json!({})).await.expect("others are answered meanwhile");
    };
    assert!(most < DEAF_KIB_MAX, "it cost {most} KiB");
    assert!(ended, "it was ended within its time");
    eprintln!("a client that never reads: {most} KiB, ended after {:?}", begun.elapsed());
}
