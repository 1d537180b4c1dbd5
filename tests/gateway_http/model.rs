//! A model server on loopback that speaks chat completions and keeps its own ledger.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

/// The server; it ends with the process of the test.
#[derive(Clone)]
pub(crate) struct Model {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// What was asked: the last message of a person.
    asked: Vec<String>,
    /// Every request, whole.
    requests: Vec<Value>,
    /// What was answered, as far as it was taken.
    answered: Vec<String>,
    is_released: bool,
}

impl Model {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let model = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = model.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, serving) = (stream.unwrap(), serving.clone());
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        model
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How often something with this text in it was asked.
    pub(crate) fn asked(&self, text: &str) -> usize {
        self.state.0.lock().unwrap().asked.iter().filter(|asked| asked.contains(text)).count()
    }

    /// How often it was answered.
    pub(crate) fn answered(&self, text: &str) -> usize {
        self.state.0.lock().unwrap().answered.iter().filter(|asked| asked.contains(text)).count()
    }

    /// The whole text of the first question with this text in it.
    pub(crate) fn question(&self, text: &str) -> String {
        let state = self.state.0.lock().unwrap();
        state.asked.iter().find(|asked| asked.contains(text)).cloned().unwrap_or_default()
    }

    /// Lets the answers go that wait.
    pub(crate) fn release(&self) {
        self.state.0.lock().unwrap().is_released = true;
        self.state.1.notify_all();
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?);
        let mut length = 0;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok()?;
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).ok()?;
        let request: Value = serde_json::from_slice(&body).ok()?;
        let messages = request["messages"].as_array()?;
        let persons: Vec<String> = messages
            .iter()
            .filter(|message| message["role"] == "user")
            .map(|message| text_of(&message["content"]))
            .collect();
        let text = persons.last()?.clone();
        {
            let mut state = self.state.0.lock().unwrap();
            state.asked.push(text.clone());
            state.requests.push(request.clone());
        }
        self.answer(stream, &text, &persons)
    }

    fn answer(&self, mut stream: &TcpStream, text: &str, persons: &[String]) -> Option<()> {
        if text.contains("FAIL") {
            let body = json!({"error": {"message": "this model does not like it"}}).to_string();
            let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json";
            let length = body.len();
            let whole =
                format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            return stream.write_all(whole.as_bytes()).ok();
        }
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).ok()?;
        let pieces: Vec<String> = if text.contains("HISTORY") {
            vec![format!("{} messages", persons.len())]
        } else if text.contains("PIECES") {
            ["pi", "ec", "es of an ", "answer"].map(String::from).to_vec()
        } else if text.contains("SLOW") {
            vec!["begun ".into(), String::new(), "ended".into()]
        } else {
            vec![format!("you said {text}")]
        };
        for piece in pieces {
            if piece.is_empty() {
                let (state, changed) = &*self.state;
                let state = state.lock().unwrap();
                drop(changed.wait_while(state, |state| !state.is_released).unwrap());
                continue;
            }
            let delta = json!({"choices": [{"index": 0, "delta": {"content": piece}}]});
            stream.write_all(format!("data: {delta}\n\n").as_bytes()).ok()?;
        }
        let stop = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}});
        stream
            .write_all(format!("data: {stop}\n\ndata: {usage}\n\ndata: [DONE]\n\n").as_bytes())
            .ok()?;
        self.state.0.lock().unwrap().answered.push(text.to_owned());
        Some(())
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
