//! A model server on loopback for tests of the real program: it reads what is asked, keeps its own
//! ledger, and leaves the answer to the test. It speaks chat completions.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The server; it ends with the process of the test. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    ledger: Arc<Mutex<Vec<Value>>>,
}

/// One request, and the way back.
pub(crate) struct Asked {
    /// What was asked for, such as `/v1/chat/completions`.
    pub(crate) path: String,
    /// The whole request.
    pub(crate) body: Value,
    stream: BufReader<TcpStream>,
}

impl Server {
    /// Serves each request in a thread of its own. A caller that is killed leaves in the middle:
    /// then the answer ends with an error that says so.
    pub(crate) fn start(
        answer: impl Fn(&mut Asked) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Self { address: listener.local_addr().unwrap(), ledger: Arc::default() };
        let (ledger, answer) = (server.ledger.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, ledger, answer) = (stream.unwrap(), ledger.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(mut asked) = Asked::read(stream) else { return };
                    ledger.lock().unwrap().push(asked.body.clone());
                    drop(answer(&mut asked));
                });
            }
        });
        server
    }

    /// Where it is, as a config names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far, whole.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        self.ledger.lock().unwrap().clone()
    }
}

impl Asked {
    fn read(stream: TcpStream) -> Option<Self> {
        let mut stream = BufReader::new(stream);
        let (mut length, mut path) = (0, None);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        Some(Self { path: path?, body: serde_json::from_slice(&body).ok()?, stream })
    }

    /// What people have said, message by message.
    pub(crate) fn persons(&self) -> Vec<String> {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        let persons = messages.filter(|message| message["role"] == "user");
        persons.map(|message| text_of(&message["content"])).collect()
    }

    /// What a person has said last.
    pub(crate) fn last_said(&self) -> String {
        self.persons().pop().unwrap_or_default()
    }

    /// The messages of a role.
    pub(crate) fn count(&self, role: &str) -> usize {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        messages.filter(|message| message["role"] == role).count()
    }

    /// Answers with a document.
    pub(crate) fn document(&mut self, status: &str, body: &Value) -> std::io::Result<()> {
        let body = body.to_string();
        let length = body.len();
        self.write(&format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        ))
    }

    /// Answers with a whole message.
    pub(crate) fn whole(&mut self, message: &Value) -> std::io::Result<()> {
        let answer = json!({
            "id": "x", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        });
        self.document("200 OK", &answer)
    }

    /// Begins a stream.
    pub(crate) fn begin(&mut self) -> std::io::Result<()> {
        self.write(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
    }

    /// A piece of the message.
    pub(crate) fn delta(&mut self, delta: &Value) -> std::io::Result<()> {
        let chunk = json!({
            "id": "x", "object": "chat.completion.chunk", "model": "m",
            "choices": [{"index": 0, "delta": delta}],
        });
        self.write(&format!("data: {chunk}\n\n"))
    }

    /// A piece of its text.
    pub(crate) fn piece(&mut self, text: &str) -> std::io::Result<()> {
        self.delta(&json!({"role": "assistant", "content": text}))
    }

    /// Ends a stream.
    pub(crate) fn end(&mut self, read: u64, written: u64) -> std::io::Result<()> {
        let usage = json!({
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
        });
        let end = json!({
            "id": "x", "object": "chat.completion.chunk", "model": "m", "usage": usage,
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        });
        self.write(&format!("data: {end}\n\ndata: [DONE]\n\n"))
    }

    /// Says nothing until the caller has gone.
    pub(crate) fn hang(&mut self) {
        drop(self.stream.read(&mut [0; 1]));
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
