//! A client of the gateway protocol.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long any frame may take. Far above what is normal, because test machines are busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// One connection of an operator who may do everything.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
    /// Events that were met on the way.
    events: VecDeque<Value>,
    /// Answers likewise.
    answers: VecDeque<Value>,
}

impl Client {
    pub(crate) async fn connect(url: &str, token: &str) -> Self {
        let (socket, _) = connect_async(url).await.unwrap();
        let (events, answers) = (VecDeque::new(), VecDeque::new());
        let mut client = Self { socket, next: 0, events, answers };
        let challenge = client.frame().await.unwrap();
        assert_eq!(challenge["event"], "connect.challenge");
        let scopes = ["operator.admin", "operator.read", "operator.write"];
        let hello = json!({
            "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": scopes,
            "client": {
                "id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend",
            },
            "auth": {"token": token},
        });
        client.call("connect", hello).await.unwrap();
        client
    }

    /// Sends a request and does not wait.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> String {
        self.next += 1;
        let id = self.next.to_string();
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        // One that is being killed is noticed by what it does not answer.
        drop(self.socket.send(Message::text(frame.to_string())).await);
        id
    }

    /// Sends two requests in one piece.
    pub(crate) async fn ask_both(
        &mut self,
        first: (&str, Value),
        second: (&str, Value),
    ) -> [String; 2] {
        let ids = [first, second].map(|(method, params)| {
            self.next += 1;
            let id = self.next.to_string();
            (id.clone(), json!({"type": "req", "id": id, "method": method, "params": params}))
        });
        for (_, frame) in &ids {
            self.socket.feed(Message::text(frame.to_string())).await.unwrap();
        }
        self.socket.flush().await.unwrap();
        ids.map(|(id, _)| id)
    }

    /// The next answer under an id.
    pub(crate) async fn answer(&mut self, id: &str) -> Result<Value, Value> {
        loop {
            if let Some(place) = self.answers.iter().position(|frame| frame["id"] == id) {
                let frame = self.answers.remove(place).unwrap();
                return if frame["ok"] == true {
                    Ok(frame["payload"].clone())
                } else {
                    Err(frame["error"].clone())
                };
            }
            self.read().await.expect("the gateway answers");
        }
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.ask(method, params).await;
        self.answer(&id).await
    }

    /// Sends a message; its run begins.
    pub(crate) async fn send(&mut self, session: &str, text: &str, key: &str) -> Value {
        self.call("chat.send", message(session, text, key)).await.unwrap()
    }

    /// The first event of which this is true; those before it stay.
    pub(crate) async fn event(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(place) = self.events.iter().position(&is_it) {
                return self.events.remove(place).unwrap();
            }
            self.read().await.expect("the gateway tells it");
        }
    }

    /// How a run ends: its only ending so far.
    pub(crate) async fn ending(&mut self, run: &str) -> Value {
        self.event(|event| is_ending_of(event, run)).await["payload"].clone()
    }

    /// The `chat` events of a run up to its ending, in order.
    pub(crate) async fn run(&mut self, run: &str) -> Vec<Value> {
        let mut told = Vec::new();
        loop {
            let of_it =
                |event: &Value| event["event"] == "chat" && event["payload"]["runId"] == run;
            let event = self.event(of_it).await;
            told.push(event["payload"].clone());
            if is_ending_of(&event, run) {
                return told;
            }
        }
    }

    /// Everything that was told and not looked at, up to the answer of a call made now.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        self.call("health", json!({})).await.unwrap();
        self.events.drain(..).collect()
    }

    /// Answers that have come when the other side is gone.
    pub(crate) async fn last_words(&mut self) -> Vec<Value> {
        while self.read().await.is_some() {}
        self.answers.drain(..).collect()
    }

    /// Whether the end of a run was told so far.
    pub(crate) fn was_told_the_end_of(&self, run: &str) -> bool {
        self.events.iter().any(|event| is_ending_of(event, run))
    }

    /// Reads until so many answers are there, or the other side is gone.
    pub(crate) async fn hear_answers(&mut self, count: usize) {
        while self.answers.len() < count && self.read().await.is_some() {}
    }

    pub(crate) async fn history(&mut self, session: &str) -> Vec<Value> {
        let params = json!({"sessionKey": session, "limit": 1000});
        let history = self.call("chat.history", params).await.unwrap();
        history["messages"].as_array().unwrap().clone()
    }

    /// Takes one frame in; nothing at the end.
    async fn read(&mut self) -> Option<()> {
        let frame = self.frame().await?;
        match frame["type"].as_str() {
            Some("event") => self.events.push_back(frame),
            _ => self.answers.push_back(frame),
        }
        Some(())
    }

    async fn frame(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the gateway says something in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

pub(crate) fn message(session: &str, text: &str, key: &str) -> Value {
    json!({"sessionKey": session, "message": text, "idempotencyKey": key})
}

pub(crate) fn is_ending_of(event: &Value, run: &str) -> bool {
    let payload = &event["payload"];
    event["event"] == "chat"
        && payload["runId"] == run
        && matches!(payload["state"].as_str(), Some("final" | "error" | "aborted"))
}

/// The text of a message, however it is written down.
pub(crate) fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// How many messages of a role hold a mark.
pub(crate) fn count(history: &[Value], role: &str, mark: &str) -> usize {
    let of_role = history.iter().filter(|message| message["role"] == role);
    of_role.filter(|message| text_of(message).contains(mark)).count()
}
