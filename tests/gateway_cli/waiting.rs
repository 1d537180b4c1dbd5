//! What a person is told while a model gives no answer, and who else is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use telson::gateway_client::{Address, GatewayClient};
use tokio::time::timeout;

use crate::kit::{Home, Process, until};
use crate::model_server::Server;
use crate::pty::Terminal;

/// How long the next event may take.
const EVENT_MAX: Duration = Duration::from_secs(40);

/// A service whose model is overloaded for its first `failures` questions.
fn serving(failures: usize) -> (Home, Process) {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |it| {
        if asked.fetch_add(1, Ordering::SeqCst) < failures {
            let error = json!({"error": {"message": "warming up"}});
            return it.document("503 Service Unavailable", &error);
        }
        it.whole(&json!({"role": "assistant", "content": "here I am"}))
    });
    let home = Home::new();
    home.configure(
        &json!({
            "models": {"providers": {"cold": {
                "baseUrl": server.url(), "api": "openai-completions", "models": [{"id": "m"}],
            }}},
            "agents": {"defaults": {"model": "cold/m"}},
        })
        .to_string(),
    );
    let service = home.start(&[]);
    (home, service)
}

const LINE: &str =
    "cold/m gives no answer (the provider answered 503: warming up); trying again in ";

#[test]
fn in_a_pipe_each_failed_attempt_is_a_line_beside_the_answer() {
    let (home, service) = serving(2);
    let chatting = home.spawn(&["chat", "--message", "hello"]);
    until("the person is told while they wait", || chatting.log().contains(LINE).then_some(()));
    let finished = chatting.finish();
    assert_eq!((finished.code, finished.out.as_str()), (0, "here I am\n"), "{finished:?}");
    let lines: Vec<&str> = finished.err.lines().collect();
    assert_eq!(lines.len(), 2, "{finished:?}");
    assert!(lines.iter().all(|line| line.starts_with(LINE) && line.ends_with(" s")), "{lines:?}");
    service.stop();
}

#[test]
fn a_program_gets_each_failed_attempt_as_an_object_and_one_document_in_the_end() {
    let (home, service) = serving(1);
    let finished = home.ask(&["--json", "chat", "--message", "hello"]);
    let document = finished.json();
    assert_eq!((&document["ok"], &document["answer"]), (&json!(true), &json!("here I am")));
    let told: Value = serde_json::from_str(finished.err.trim()).unwrap();
    let attempt = &told["attempt"];
    assert_eq!(
        [&attempt["model"], &attempt["next"], &attempt["class"], &attempt["runId"]],
        [&json!("cold/m"), &json!("cold/m"), &json!("server"), &document["runId"]]
    );
    assert!(attempt["retryInMs"].as_u64().unwrap() >= 1000, "{attempt}");
    assert_eq!(document["failedAttempts"], json!([attempt]));
    service.stop();
}

#[test]
fn on_a_terminal_one_line_counts_down_and_gives_way_to_the_answer() {
    let (home, service) = serving(2);
    let terminal = Terminal::start(&home, 60, &["chat", "--message", "hello"]);
    terminal.shows("\u{1b}[2mcold/m gives no answer (");
    terminal.shows("here I am");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0, "{shown:?}");
    // What stands behind the last time the line was taken back.
    let (before, rest) = shown.rsplit_once("\r\u{1b}[K").unwrap();
    assert_eq!(rest, "here I am\r\n", "{shown:?}");
    let lines = before.split("\r\u{1b}[K").filter(|line| !line.is_empty());
    for line in lines {
        let text = line.trim_start_matches("\u{1b}[2m").trim_end_matches("\u{1b}[0m");
        assert!(text.contains("…; "), "cut to fit: {line:?}");
        assert!(text.chars().count() <= 59 && !text.contains('\n'), "it fits: {line:?}");
    }
    service.stop();
}

async fn client(home: &Home) -> GatewayClient {
    let (_, document) = home.ask_json(&["dashboard"]);
    let (page, token) = document["url"].as_str().unwrap().split_once("#token=").unwrap();
    let address: Address = page.parse().unwrap();
    GatewayClient::connect(&address, Some(token)).await.unwrap()
}

/// The next event with this name, and the names of those before it.
async fn next(client: &mut GatewayClient, wanted: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let (name, payload) = timeout(EVENT_MAX, client.event()).await.unwrap().unwrap();
        let is_it = wanted(&name, &payload);
        names.push(name);
        if is_it {
            return names;
        }
    }
}

#[tokio::test]
async fn only_whoever_asks_hears_of_failed_attempts_and_a_late_listener_of_what_fails_now() {
    // So often that it still fails when somebody comes late, on however busy a machine.
    let (home, service) = serving(3);
    let (mut listening, mut other) = (client(&home).await, client(&home).await);
    let mut late = client(&home).await;
    let (begin, end) = ("telson.attempt.subscribe", "telson.attempt.unsubscribe");
    let asked = listening.call(begin, json!({})).await.unwrap();
    assert_eq!(asked, json!({"subscribed": true, "failing": []}));
    let message = json!({"sessionKey": "main", "message": "hello", "idempotencyKey": "k"});
    other.call("chat.send", message).await.unwrap();
    next(&mut listening, |name, _| name == "telson.attempt").await;
    let failing = late.call(begin, json!({})).await.unwrap();
    let failing = &failing["failing"][0];
    assert_eq!((&failing["runId"], &failing["model"]), (&json!("k"), &json!("cold/m")));
    assert!(failing["retryInMs"].as_u64().unwrap() <= 4_400, "what is left of it: {failing}");
    let is_final = |name: &str, payload: &Value| name == "chat" && payload["state"] == "final";
    let names = next(&mut other, is_final).await;
    assert!(names.iter().all(|name| !name.starts_with("telson.")), "{names:?}");
    next(&mut listening, is_final).await;
    let over = late.call(begin, json!({})).await.unwrap();
    assert_eq!(over["failing"], json!([]), "it has answered");
    assert_eq!(late.call(end, json!({})).await.unwrap()["subscribed"], false);
    service.stop();
}
