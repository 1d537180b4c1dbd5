//! A model behind a real HTTP server that runs one command after the other before it answers, and
//! keeps its own bill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Answers that ask for a command before the last.
pub(crate) const ROUNDS: usize = 3;

#[derive(Clone)]
pub(crate) struct Model {
    address: SocketAddr,
    /// Where commands write what they do.
    deeds: PathBuf,
    /// While this file names a command, that command does not end.
    hold: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The answers that were given.
    bill: Vec<usize>,
    hang_in: Option<usize>,
    /// The answer that is refused for good.
    refuse_in: Option<usize>,
    is_hanging: bool,
}

impl Model {
    pub(crate) fn start(deeds: PathBuf, hold: PathBuf) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let model = Self { address, deeds, hold, state: Arc::default() };
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

    /// It does not give this answer when it is asked for it the first time.
    pub(crate) fn hang_in(&self, round: usize) {
        self.state.lock().unwrap().hang_in = Some(round);
    }

    /// It refuses to give this answer until told otherwise.
    pub(crate) fn refuse_in(&self, round: Option<usize>) {
        self.state.lock().unwrap().refuse_in = round;
    }

    pub(crate) fn is_hanging(&self) -> bool {
        self.state.lock().unwrap().is_hanging
    }

    pub(crate) fn bill(&self) -> Vec<usize> {
        self.state.lock().unwrap().bill.clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(body) = read_request(&mut reader) else { return };
        let messages = body["messages"].as_array().unwrap();
        let round = messages.iter().filter(|message| message["role"] == "tool").count();
        {
            let mut state = self.state.lock().unwrap();
            if state.hang_in.take_if(|hang_in| *hang_in == round).is_some() {
                state.is_hanging = true;
                drop(state);
                // Until the caller has gone.
                drop(reader.read(&mut [0; 1]));
                return;
            }
            if state.refuse_in == Some(round) {
                drop(state);
                let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
                drop(reader.into_inner().write_all(refusal.as_bytes()));
                return;
            }
            state.bill.push(round);
        }
        let answer = json!({
            "id": "x", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": self.message(round)}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            answer.len()
        );
        let mut stream = reader.into_inner();
        drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())));
    }

    fn message(&self, round: usize) -> Value {
        if round >= ROUNDS {
            return json!({"role": "assistant", "content": "All done."});
        }
        let (deeds, hold) = (self.deeds.display(), self.hold.display());
        let command = format!(
            "echo begin {round} >> '{deeds}'; while [ \"$(cat '{hold}' 2>/dev/null)\" = {round} ]; \
             do sleep 0.05; done; echo end {round} >> '{deeds}'"
        );
        let arguments = json!({"command": command}).to_string();
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": format!("c{round}"), "type": "function",
             "function": {"name": "exec", "arguments": arguments}},
        ]})
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
