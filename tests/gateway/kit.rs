//! A gateway client in a few lines: what a test says, and what it hears.

#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) use crate::device::Device;
use crate::service::{Home, Process, until};

/// The shared token of every test.
pub(crate) const TOKEN: &str = "a-good-token-0123456789abcdef";
/// How long an answer may take.
const HEAR_MAX: Duration = Duration::from_secs(30);
/// Everything an operator may.
pub(crate) const ALL: [&str; 5] =
    ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];

/// A service with a gateway.
pub(crate) struct Gateway {
    pub(crate) home: Home,
    pub(crate) service: Process,
    pub(crate) port: u16,
}

impl Gateway {
    /// One with a shared token.
    pub(crate) fn start() -> Self {
        Self::with(&format!("{{gateway: {{auth: {{token: '{TOKEN}'}}}}}}"))
    }

    /// One that believes a proxy on this machine: with `x-forwarded-for` a client is anybody.
    pub(crate) fn behind_a_proxy() -> Self {
        Self::with(&format!(
            "{{gateway: {{trustedProxies: ['127.0.0.1'], auth: {{token: '{TOKEN}'}}}}}}"
        ))
    }

    pub(crate) fn with(config: &str) -> Self {
        let home = Home::new();
        home.configure(config);
        Self::at(home)
    }

    pub(crate) fn at(home: Home) -> Self {
        let service = home.start(&[]);
        let port = until("the gateway says its port", || port_in(&service.out()));
        Self { home, service, port }
    }

    /// Ends as by a power switch, and starts anew.
    pub(crate) fn kill_and_start(self) -> Self {
        self.service.kill();
        Self::at(self.home)
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// A client before its first frame.
    pub(crate) async fn knock(&self) -> Client {
        self.knock_with(&[]).await.expect("the gateway lets knock")
    }

    /// The same with headers of its own; the status code it is turned away with.
    pub(crate) async fn knock_with(&self, headers: &[(&str, &str)]) -> Result<Client, u16> {
        Client::open(&self.url(), headers).await
    }

    /// The command line with everything an operator may.
    pub(crate) async fn owner(&self) -> Client {
        self.operator(&ALL).await
    }

    /// A program with the shared token and these rights.
    pub(crate) async fn operator(&self, scopes: &[&str]) -> Client {
        let mut client = self.knock().await;
        let answer = client.connect(connect("cli", "cli", scopes)).await;
        assert_eq!(answer["ok"], true, "{answer}");
        client
    }
}

/// The port in what the service prints.
pub(crate) fn port_in(out: &str) -> Option<u16> {
    let rest = out.split_once("gateway on ws")?.1;
    let address = rest.split_whitespace().next()?;
    address.rsplit_once(':')?.1.parse().ok()
}

/// The parameters of `connect` with the shared token.
pub(crate) fn connect(id: &str, mode: &str, scopes: &[&str]) -> Value {
    json!({
        "minProtocol": 4, "maxProtocol": 4,
        "client": {"id": id, "version": "1", "platform": "linux", "deviceFamily": "Linux", "mode": mode},
        "role": "operator", "scopes": scopes, "caps": [], "auth": {"token": TOKEN},
    })
}

/// A client of the gateway.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) nonce: String,
    pub(crate) ts: i64,
    calls: u64,
    events: VecDeque<Value>,
}

impl Client {
    /// Opens a socket and hears the challenge; the status code if it is turned away.
    pub(crate) async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let socket = match connect_async(request).await {
            Ok((socket, _)) => socket,
            Err(Error::Http(response)) => return Err(response.status().as_u16()),
            Err(error) => panic!("{url}: {error}"),
        };
        let (nonce, events) = (String::new(), VecDeque::new());
        let mut client = Self { socket, nonce, ts: 0, calls: 0, events };
        let challenge = client.hear().await.expect("a challenge");
        assert_eq!(challenge["event"], "connect.challenge", "{challenge}");
        challenge["payload"]["nonce"].as_str().unwrap().clone_into(&mut client.nonce);
        client.ts = challenge["payload"]["ts"].as_i64().unwrap();
        Ok(client)
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn say_message(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// The next frame; the code and reason of its end.
    pub(crate) async fn hear(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let next = tokio::time::timeout(HEAR_MAX, self.socket.next());
            match next.await.expect("the gateway answers in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    return Err((1006, String::new()));
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// The first request, and its answer.
    pub(crate) async fn connect(&mut self, params: Value) -> Value {
        let frame = json!({"type": "req", "id": "c", "method": "connect", "params": params});
        self.say(&frame.to_string()).await;
        self.hear().await.expect("an answer to connect")
    }

    /// The same for a device that signs what it asks for.
    pub(crate) async fn connect_as(&mut self, device: &Device, params: Value) -> Value {
        let params = device.sign(params, &self.nonce, self.ts, 3);
        self.connect(params).await
    }

    /// Calls a method: its payload, or its error.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.calls += 1;
        let id = self.calls.to_string();
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        self.say(&frame.to_string()).await;
        loop {
            let frame = self.hear().await.unwrap_or_else(|end| panic!("{method}: {end:?}"));
            if frame["type"] == "event" {
                self.events.push_back(frame);
                continue;
            }
            assert_eq!(frame["id"], id, "{frame}");
            let is_ok = frame["ok"] == true;
            return if is_ok { Ok(frame["payload"].clone()) } else { Err(frame["error"].clone()) };
        }
    }

    /// The payload of the next event of a kind.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let frame = match self.events.pop_front() {
                Some(frame) => frame,
                None => self.hear().await.unwrap(),
            };
            if frame["event"] == name {
                return frame["payload"].clone();
            }
        }
    }

    /// How it ends, whatever is said before.
    pub(crate) async fn end(&mut self) -> (u16, String) {
        let ending = async {
            loop {
                if let Err(end) = self.hear().await {
                    return end;
                }
            }
        };
        tokio::time::timeout(HEAR_MAX, ending).await.expect("the gateway hangs up in time")
    }
}

/// What a connected client was told it may do.
pub(crate) fn scopes(answer: &Value) -> Vec<String> {
    let scopes = answer["payload"]["auth"]["scopes"].as_array();
    let scopes = scopes.unwrap_or_else(|| panic!("not let in: {answer}"));
    scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect()
}

/// The code in the details of a refused `connect`.
pub(crate) fn refused(answer: &Value) -> &str {
    assert_eq!(answer["ok"], false, "{answer}");
    answer["error"]["details"]["code"].as_str().unwrap_or_default()
}
