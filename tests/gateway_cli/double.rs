//! A gateway that answers what a test tells it to, and keeps a record of what it was asked.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

/// The token it takes.
pub(crate) const TOKEN: &str = "the-token-of-this-test";

/// What is said to one request: whole frames; `{}` in place of a frame closes the connection.
type Script = dyn Fn(&str, &str, &Value) -> Vec<Value> + Send + Sync;

/// See the module.
#[derive(Clone)]
pub(crate) struct Double {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    script: Arc<Script>,
}

impl Double {
    /// The script gets id, method and parameters.
    pub(crate) fn start(
        script: impl Fn(&str, &str, &Value) -> Vec<Value> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let double = Self { address, asked: Arc::default(), script: Arc::new(script) };
        let serving = double.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, double) = (stream.unwrap(), serving.clone());
                std::thread::spawn(move || double.serve(stream));
            }
        });
        double
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// What was asked after `connect`.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(method, _)| method != "connect").cloned().collect()
    }

    /// The parameters of the last call of a method.
    pub(crate) fn params(&self, method: &str) -> Option<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().rev().find(|(name, _)| name == method).map(|(_, params)| params.clone())
    }

    fn serve(&self, stream: TcpStream) {
        let Ok(mut socket) = accept(stream) else { return };
        let challenge = json!({"nonce": "n", "ts": 1, "capabilities": []});
        tell(&mut socket, &event("connect.challenge", challenge));
        while let Ok(message) = socket.read() {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let (id, method) = (frame["id"].as_str().unwrap(), frame["method"].as_str().unwrap());
            self.asked.lock().unwrap().push((method.to_owned(), frame["params"].clone()));
            let mut said = (self.script)(id, method, &frame["params"]);
            if said.is_empty() && method == "connect" {
                assert_eq!(frame["params"]["auth"]["token"], TOKEN);
                said = vec![answer(id, hello())];
            }
            for frame in said {
                if frame == json!({}) {
                    return;
                }
                tell(&mut socket, &frame);
            }
        }
    }
}

fn hello() -> Value {
    json!({
        "type": "hello-ok", "protocol": 4,
        "snapshot": {"sessionDefaults": {"mainSessionKey": "agent:main:main"}},
        "policy": {"tickIntervalMs": 30_000},
    })
}

fn tell(socket: &mut WebSocket<TcpStream>, frame: &Value) {
    // Whoever asked may have left.
    drop(socket.send(Message::text(frame.to_string())));
}

pub(crate) fn event(name: &str, payload: Value) -> Value {
    json!({"type": "event", "event": name, "payload": payload, "seq": 1})
}

pub(crate) fn answer(id: &str, payload: Value) -> Value {
    json!({"type": "res", "id": id, "ok": true, "payload": payload})
}

pub(crate) fn refusal(id: &str, error: Value) -> Value {
    json!({"type": "res", "id": id, "ok": false, "error": error})
}
