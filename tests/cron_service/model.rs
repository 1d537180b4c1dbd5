//! A model behind a real HTTP server that says which instant it was asked about, and keeps its own
//! bill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

#[derive(Clone)]
pub(crate) struct Model {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The instants it was asked about, and those it has answered.
    asked: Vec<String>,
    answered: Vec<String>,
    takes: Duration,
}

impl Model {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let model = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = model.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, model) = (stream.unwrap(), serving.clone());
                std::thread::spawn(move || model.serve(stream));
            }
        });
        model
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn takes(&self, time: Duration) {
        self.state.lock().unwrap().takes = time;
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(crate) fn answered(&self) -> Vec<String> {
        self.state.lock().unwrap().answered.clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(body) = read_request(&mut reader) else { return };
        let prompt = body["messages"].as_array().and_then(|all| all.last()).cloned();
        let prompt = prompt.unwrap_or_default()["content"].to_string().replace("\\n", "\n");
        let about = prompt.lines().find_map(|line| line.strip_prefix("Scheduled for: "));
        let about = about.unwrap_or("hello").to_owned();
        let takes = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(about.clone());
            state.takes
        };
        std::thread::sleep(takes);
        let message = json!({"role": "assistant", "content": format!("did {about}")});
        let answer = json!({
            "id": "x", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            answer.len()
        );
        let mut stream = reader.into_inner();
        let sent =
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes()));
        if sent.is_ok() {
            self.state.lock().unwrap().answered.push(about);
        }
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
