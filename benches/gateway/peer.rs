//! A client of a gateway: many questions and runs at once over one connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_mins(2);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Awaited = Arc<Mutex<HashMap<String, oneshot::Sender<Value>>>>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peer {
    sending: Arc<tokio::sync::Mutex<SplitSink<Socket, Message>>>,
    awaited: Awaited,
    asked: Arc<AtomicU64>,
}

/// As much of a frame as a client has to look at.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: Option<&'a str>,
    event: Option<&'a str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Peer {
    /// Connects and is let in; `None` if nobody lets it in yet.
    pub(crate) async fn connect(url: &str, token: &str) -> Option<Self> {
        let (mut socket, _) = connect_async_with_config(url, None, true).await.ok()?;
        // The challenge: a shared token needs no signature.
        socket.next().await?.ok()?;
        let (sending, receiving) = socket.split();
        let peer = Self {
            sending: Arc::new(tokio::sync::Mutex::new(sending)),
            awaited: Awaited::default(),
            asked: Arc::default(),
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with its connection")]
        tokio::spawn(read(receiving, peer.awaited.clone()));
        let client = json!({
            "id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend",
        });
        let hello = peer.asking("connect", json!({
            "minProtocol": 4, "maxProtocol": 4, "client": client, "caps": [], "role": "operator",
            "scopes": ["operator.admin", "operator.read", "operator.write"],
            "auth": {"token": token},
        }));
        hello.await.filter(|hello| hello.get("error").is_none()).map(|_| peer)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.asking(method, params).await.expect("the gateway went away");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer
    }

    /// Sends a message, and waits for the end of its run; what was answered.
    pub(crate) async fn turn(&self, session: &str, text: &str, key: &str) -> Value {
        let (sender, ended) = oneshot::channel();
        self.awaited.lock().unwrap().insert(key.to_owned(), sender);
        let sent = self.ask(
            "chat.send",
            json!({"sessionKey": session, "message": text, "idempotencyKey": key}),
        );
        sent.await;
        tokio::time::timeout(PATIENCE, ended).await.expect("no end").expect("the gateway went away")
    }

    async fn asking(&self, method: &str, params: Value) -> Option<Value> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed).to_string();
        let (sender, answered) = oneshot::channel();
        self.awaited.lock().unwrap().insert(id.clone(), sender);
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        self.sending.lock().await.send(Message::text(frame.to_string())).await.ok()?;
        tokio::time::timeout(PATIENCE, answered).await.expect("no answer").ok()
    }
}

/// Hands what comes to whoever waits for it; dropped with the connection, which ends their waiting.
async fn read(mut socket: SplitStream<Socket>, awaited: Awaited) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let Ok(head) = serde_json::from_str::<Head<'_>>(&text) else { continue };
        let read = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap();
        let (key, value) = match (head.kind, head.id, head.event) {
            ("res", Some(id), _) => {
                let error = head.error.map(|error| json!({"error": read(error)}));
                (id.to_owned(), error.or_else(|| head.payload.map(read)).unwrap_or_default())
            }
            ("event", _, Some("chat")) => {
                let payload = head.payload.map(read).unwrap_or_default();
                if !["final", "error", "aborted"].iter().any(|end| payload["state"] == *end) {
                    continue;
                }
                (payload["runId"].as_str().unwrap_or_default().to_owned(), payload)
            }
            _ => continue,
        };
        if let Some(waiting) = awaited.lock().unwrap().remove(&key) {
            drop(waiting.send(value));
        }
    }
    awaited.lock().unwrap().clear();
}
