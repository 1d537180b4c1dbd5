//! A model behind a real HTTP server that answers with what it was told, piece by piece, and keeps a
//! ledger of what it was asked.
//!
//! In a person's text: `[[fail]]` is refused, `[[silent]]` answered with silence, `[[hold]]` answered
//! with a first piece and the rest once it is released.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// How long an answer is held at most: far above what any test needs.
const HELD_MAX: Duration = Duration::from_mins(1);

#[derive(Clone)]
pub(crate) struct Model {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// What people said last, for each question.
    ledger: Vec<String>,
    released: bool,
    pause: Duration,
}

impl Model {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let model = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = model.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, model) = (stream.unwrap(), serving.clone());
                // A caller that is killed leaves in the middle.
                std::thread::spawn(move || drop(model.serve(stream)));
            }
        });
        model
    }

    /// The config of an agent that asks this model.
    pub(crate) fn config(&self) -> Value {
        json!({
            "models": {"providers": {"mock": {
                "baseUrl": format!("http://{}/v1", self.address),
                "api": "openai-completions",
                "models": [{"id": "m"}],
            }}},
            "agents": {"defaults": {"model": "mock/m"}},
        })
    }

    /// What it was asked so far.
    pub(crate) fn ledger(&self) -> Vec<String> {
        self.state.0.lock().unwrap().ledger.clone()
    }

    /// How often it was asked something with this mark.
    pub(crate) fn asked(&self, mark: &str) -> usize {
        self.ledger().iter().filter(|text| text.contains(mark)).count()
    }

    /// Time between two pieces from now on.
    pub(crate) fn pause(&self, pause: Duration) {
        self.state.0.lock().unwrap().pause = pause;
    }

    /// Lets held answers go on.
    pub(crate) fn release(&self) {
        self.state.0.lock().unwrap().released = true;
        self.state.1.notify_all();
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let Some(body) = read_request(&mut reader) else { return Ok(()) };
        let mut stream = reader.into_inner();
        let said = last_said(&body);
        let pause = {
            let mut state = self.state.0.lock().unwrap();
            state.ledger.push(said.clone());
            state.pause
        };
        if said.contains("[[fail]]") {
            let error =
                json!({"error": {"message": "no such model", "type": "invalid_request_error"}});
            return respond(&mut stream, "404 Not Found", "application/json", &error.to_string());
        }
        head(&mut stream, "200 OK", "text/event-stream")?;
        let answer =
            if said.contains("[[silent]]") { "NO_REPLY".into() } else { format!("echo: {said}") };
        let middle = answer.char_indices().nth(answer.chars().count() / 2).map_or(0, |(at, _)| at);
        let (first, second) = answer.split_at(middle);
        piece(&mut stream, first)?;
        if said.contains("[[hold]]") {
            let state = self.state.0.lock().unwrap();
            drop(self.state.1.wait_timeout_while(state, HELD_MAX, |state| !state.released));
        }
        std::thread::sleep(pause);
        piece(&mut stream, second)?;
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
        let end = json!({
            "id": "x", "object": "chat.completion.chunk", "model": "m", "usage": usage,
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        });
        stream.write_all(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes())
    }
}

fn piece(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let chunk = json!({
        "id": "x", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}],
    });
    stream.write_all(format!("data: {chunk}\n\n").as_bytes())
}

fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &str) -> std::io::Result<()> {
    head(stream, status, kind)?;
    stream.write_all(body.as_bytes())
}

fn head(stream: &mut TcpStream, status: &str, kind: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())
}

/// The text of the last message of a person.
fn last_said(body: &Value) -> String {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    let content = last.map(|message| message["content"].clone()).unwrap_or_default();
    match content {
        Value::String(text) => text,
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
