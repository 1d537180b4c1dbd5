//! A model server on loopback that speaks chat completions, well or badly, and keeps its own ledger.

#![allow(clippy::disallowed_methods, reason = "the server lives as long as its test")]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// What the server does with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers with this text.
    Say(&'static str),
    /// Answers with this text once it is released.
    SayLater(&'static str),
    /// Asks for the tool `count`, with this text before it.
    CallTool(&'static str),
    /// Refuses with this status, and a wish for the next attempt.
    Status(u16, Option<u64>),
    /// Sends nothing.
    Hang,
    /// Sends half an answer, then nothing.
    HangMidway,
    /// Sends half an event, then closes.
    CutMidway,
    /// Sends an event that is no JSON.
    Malformed,
    /// Sends a web page.
    WebPage,
    /// Sends an answer without text.
    Empty,
    /// Sends two gigabytes of answer.
    TwoGigabytes,
    /// Sends an answer byte by byte.
    SlowLoris,
}

/// What was asked: which key, and for which model.
pub(crate) type Asked = (String, String);

#[derive(Default)]
struct State {
    ledger: Vec<Asked>,
    bytes: usize,
    by_key: HashMap<String, Act>,
    script: VecDeque<Act>,
}

/// The server. Clones share it; it outlives engines.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    otherwise: Act,
    pub(crate) asked: Arc<Notify>,
    released: Arc<Semaphore>,
}

impl Server {
    /// Listens on a free port and does the same with every request.
    pub(crate) async fn start(otherwise: Act) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
            otherwise,
            asked: Arc::default(),
            released: Arc::new(Semaphore::new(0)),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let serving = serving.clone();
                // A client that leaves in the middle ends its connection, and nothing else.
                tokio::spawn(async move { drop(serving.serve(stream).await) });
            }
        });
        server
    }

    /// What the next requests meet, whoever sends them.
    pub(crate) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().script.extend(acts);
    }

    /// What every request with this key meets.
    pub(crate) fn on_key(&self, key: &str, act: Act) {
        self.state.lock().unwrap().by_key.insert(key.to_owned(), act);
    }

    /// Lets answers go that wait, and those to come.
    pub(crate) fn release(&self) {
        self.released.add_permits(1000);
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Who asked for what, in order.
    pub(crate) fn ledger(&self) -> Vec<Asked> {
        self.state.lock().unwrap().ledger.clone()
    }

    /// The keys that were used, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.ledger().into_iter().map(|(key, _)| key).collect()
    }

    /// Bytes of answers that were taken.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().unwrap().bytes
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = read(&mut stream).await?;
        if request.1.is_empty() {
            // Proxies look around; only questions to a model count.
            return stream.write_all(head(404, "text/plain", "").as_bytes()).await;
        }
        let act = {
            let mut state = self.state.lock().unwrap();
            state.ledger.push(request.clone());
            let scripted = state.script.pop_front();
            scripted.or_else(|| state.by_key.get(&request.0).cloned())
        };
        self.asked.notify_one();
        self.play(act.unwrap_or_else(|| self.otherwise.clone()), &request.0, stream).await
    }

    async fn play(&self, act: Act, key: &str, mut stream: TcpStream) -> std::io::Result<()> {
        let out = &mut stream;
        match act {
            Act::Say(text) => stream_of(out, &[&delta(text), STOP]).await,
            Act::SayLater(text) => {
                self.released.acquire().await.unwrap().forget();
                stream_of(out, &[&delta(text), STOP]).await
            }
            Act::CallTool(text) => stream_of(out, &[&delta(text), CALL, CALLED]).await,
            Act::Status(status, wish) => {
                // Some servers repeat the key they refuse.
                let body = format!(r#"{{"error":{{"message":"refused: {key}"}}}}"#);
                let wish = wish.map_or_else(String::new, |s| format!("retry-after: {s}\r\n"));
                let head = head(status, "application/json", &wish);
                out.write_all(format!("{head}{body}").as_bytes()).await
            }
            Act::Hang => std::future::pending().await,
            Act::HangMidway => {
                out.write_all(event_stream(&[&delta("half an ans")]).as_bytes()).await?;
                std::future::pending().await
            }
            Act::CutMidway => {
                let whole = event_stream(&[&delta("half an ans"), &delta("wer that is cut")]);
                out.write_all(&whole.as_bytes()[..whole.len() - 12]).await
            }
            Act::Malformed => stream_of(out, &["{\"choices\": [{"]).await,
            Act::WebPage => {
                let page = format!("{}<html>Welcome</html>", head(200, "text/html", ""));
                out.write_all(page.as_bytes()).await
            }
            Act::Empty => stream_of(out, &[&delta(""), STOP]).await,
            Act::TwoGigabytes => {
                out.write_all(event_stream(&[]).as_bytes()).await?;
                let piece = format!("data: {}\n\n", delta(&"x".repeat(64 * 1024)));
                for _ in 0..(2 << 30) / piece.len() {
                    out.write_all(piece.as_bytes()).await?;
                    self.state.lock().unwrap().bytes += piece.len();
                }
                Ok(())
            }
            Act::SlowLoris => {
                for byte in event_stream(&[&delta(&"slow ".repeat(1000)), STOP]).bytes() {
                    out.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(())
            }
        }
    }
}

const STOP: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const CALL: &str = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"count","arguments":"{\"by\":1}"}}]}}]}"#;
const CALLED: &str = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;

fn delta(text: &str) -> String {
    serde_json::json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}],
    })
    .to_string()
}

fn head(status: u16, media: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-type: {media}\r\n{more}\r\n"
    )
}

fn event_stream(events: &[&str]) -> String {
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    format!("{}{events}", head(200, "text/event-stream", ""))
}

async fn stream_of(out: &mut TcpStream, events: &[&str]) -> std::io::Result<()> {
    let whole = format!("{}data: [DONE]\n\n", event_stream(events));
    out.write_all(whole.as_bytes()).await
}

/// The key and the model of a request.
async fn read(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(": "));
                let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
            };
            if body.len() >= field("content-length").parse().unwrap_or(0) {
                let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                let key = field("authorization").trim_start_matches("Bearer ").to_owned();
                return Ok((key, json["model"].as_str().unwrap_or_default().to_owned()));
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
