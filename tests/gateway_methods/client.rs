//! A client of the gateway protocol, no more than these tests need.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::device::Device;
use super::kit::{Home, Process, until};

/// The secret of these tests.
const TOKEN: &str = "a-token-for-tests-0123456789abcdef";
/// How long anything may take.
const HEAR_MAX: Duration = Duration::from_secs(30);

/// A service with its port.
pub(crate) fn serve(home: &Home, config: &str) -> (Process, u16) {
    home.configure(config);
    home.set_env("TELSON_GATEWAY_TOKEN", TOKEN.as_ref());
    let service = home.start(&["--port", "0"]);
    let port = until("the service says where its gateway is", || {
        let out = service.out();
        let (_, rest) = out.split_once("gateway on ws://127.0.0.1:")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    (service, port)
}

/// The device of an instance: each has its own.
pub(crate) fn device(instance: &str) -> Device {
    Device::new(instance.bytes().fold(0, u8::wrapping_add))
}

/// One connection.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u32,
    events: VecDeque<Value>,
    pub(crate) hello: Value,
}

impl Client {
    /// An operator who may do everything, in a certain mode.
    pub(crate) async fn operator(port: u16, mode: &str, instance: &str) -> Self {
        let scopes = [
            "operator.admin",
            "operator.read",
            "operator.write",
            "operator.approvals",
            "operator.pairing",
        ];
        Self::connect(port, mode, instance, &json!({"role": "operator", "scopes": scopes})).await
    }

    /// A client that says this of itself besides.
    pub(crate) async fn connect(port: u16, mode: &str, instance: &str, besides: &Value) -> Self {
        Self::try_connect(port, mode, instance, besides).await.unwrap()
    }

    /// The same for one that may be refused; then with the error.
    pub(crate) async fn try_connect(
        port: u16,
        mode: &str,
        instance: &str,
        besides: &Value,
    ) -> Result<Self, Value> {
        let (socket, _) = connect_async(format!("ws://127.0.0.1:{port}/")).await.unwrap();
        let mut client = Self { socket, calls: 0, events: VecDeque::new(), hello: Value::Null };
        let challenge = client.hear().await;
        assert_eq!(challenge["event"], "connect.challenge");
        let id = if mode == "node" { "node-host" } else { "test" };
        let mut params = json!({
            "minProtocol": 4, "maxProtocol": 4,
            "client": {"id": id, "version": "1", "platform": "linux", "mode": mode,
                "instanceId": instance},
            "auth": {"token": TOKEN},
        });
        params.as_object_mut().unwrap().extend(besides.as_object().unwrap().clone());
        let challenge = &challenge["payload"];
        let (nonce, ts) = (challenge["nonce"].as_str().unwrap(), challenge["ts"].as_i64().unwrap());
        let params = device(instance).sign(params, nonce, ts, 3);
        client.hello = client.call("connect", &params).await?;
        Ok(client)
    }

    /// Calls a method; its payload or its error.
    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        let id = self.ask(method, params).await;
        self.answer(&id).await
    }

    /// Calls a method; the frames that answer it, the last one last.
    pub(crate) async fn frames(&mut self, method: &str, params: &Value) -> Vec<Value> {
        let id = self.ask(method, params).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.hear().await;
            if frame["id"] != *id || frame["type"] == "event" {
                continue;
            }
            let is_early = frame["payload"]["status"] == "accepted";
            frames.push(frame);
            if !is_early {
                return frames;
            }
        }
    }

    /// Calls a method and does not wait.
    pub(crate) async fn ask(&mut self, method: &str, params: &Value) -> String {
        self.calls += 1;
        let id = self.calls.to_string();
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
        id
    }

    /// The answer to a call.
    pub(crate) async fn answer(&mut self, id: &str) -> Result<Value, Value> {
        loop {
            let frame = self.hear().await;
            if frame["type"] == "event" {
                self.events.push_back(frame);
            } else if frame["id"] == id {
                let is_ok = frame["ok"] == true;
                return if is_ok {
                    Ok(frame["payload"].clone())
                } else {
                    Err(frame["error"].clone())
                };
            }
        }
    }

    /// The next answer to whatever call.
    pub(crate) async fn next_answer(&mut self) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] != "event" {
                return frame;
            }
            self.events.push_back(frame);
        }
    }

    /// The payload of the next event of this name for which `is_it` holds.
    pub(crate) async fn event(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let listening = async {
            loop {
                let frame = match self.events.pop_front() {
                    Some(frame) => frame,
                    None => self.hear().await,
                };
                if frame["event"] == name && is_it(&frame["payload"]) {
                    return frame["payload"].clone();
                }
            }
        };
        // Signs of life go on for ever.
        let heard = tokio::time::timeout(HEAR_MAX, listening).await;
        heard.unwrap_or_else(|_| panic!("no such event: {name}"))
    }

    async fn hear(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(HEAR_MAX, self.socket.next()).await;
            let message = next.expect("the gateway says something").expect("it is open").unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}
