//! One client: lets it in, answers what it asks, tells it what it wants to know.
//!
//! Runs as a supervised task of the gateway. Whatever a client does ends at most its own connection.
//! Invariant: L1 (frames, calls under way and unread events are bounded).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WireError, Message};

use super::gate::Gate;
use super::handshake::{Grant, Refusal, judge};
use super::hello::hello;
use super::link::{ConnectionLink, LinkMessage};
use super::outgoing::{Outgoing, answer, challenge};
use super::settings::Settings;
use super::wire::{self, BadFrame, ClientRequest, Connect};
use crate::engine::LateEngine;
use crate::frame::ErrorBody;
use crate::host::Host;
use crate::methods::{self, Call, Caller};

/// Bytes a connection keeps for reading and for writing before it needs more.
const BUFFER_BYTES: usize = 4 * 1024;
/// When a client may ask again while the service starts.
const STARTING_RETRY_MS: u64 = 500;

type Socket = WebSocketStream<Gate<TokioIo<Upgraded>>>;

/// What every connection works with.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) settings: Arc<Settings>,
    pub(super) engine: LateEngine,
    pub(super) host: Host,
}

/// Serves a client until either side ends it.
pub(super) async fn serve(upgrade: hyper::upgrade::OnUpgrade, served: Served) {
    let Ok(upgraded) = upgrade.await else { return };
    let policy = &served.settings.policy;
    let is_open = Arc::new(AtomicBool::new(false));
    let gate = Gate::new(TokioIo::new(upgraded), policy.handshake_bytes_max, is_open.clone());
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(policy.buffered_max)
        .max_message_size(Some(policy.payload_max))
        .max_frame_size(Some(policy.payload_max));
    let socket = WebSocketStream::from_raw_socket(gate, Role::Server, Some(config)).await;
    let mut client = Client { socket, write_max: policy.write_max };
    let letting_in = tokio::time::timeout(policy.handshake_max, let_in(&mut client, &served));
    let Ok(Some(grant)) = letting_in.await else { return };
    is_open.store(true, Ordering::Relaxed);
    let caller = Caller { name: grant.connection, scopes: grant.grant.scopes };
    talk(client, served, caller).await;
}

struct Client {
    socket: Socket,
    write_max: Duration,
}

impl Client {
    /// Sends a frame; `None` if the client is gone or does not read.
    async fn say(&mut self, text: String) -> Option<()> {
        let sent = self.socket.send(Message::text(text));
        tokio::time::timeout(self.write_max, sent).await.ok()?.ok()
    }

    /// The next text; `None` at the end.
    async fn hear(&mut self) -> Option<String> {
        hear(&mut self.socket).await
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let reason = reason.chars().take(100).collect::<String>().into();
        let frame = CloseFrame { code: CloseCode::from(code), reason };
        // Whoever is closed may be gone.
        drop(tokio::time::timeout(self.write_max, self.socket.close(Some(frame))).await);
    }
}

async fn hear(socket: &mut Socket) -> Option<String> {
    loop {
        match socket.next().await? {
            Ok(Message::Text(text)) => return Some(text.to_string()),
            Ok(Message::Binary(_) | Message::Close(_)) => return None,
            Ok(_) => {}
            Err(error) => {
                if !matches!(error, WireError::ConnectionClosed | WireError::Protocol(_)) {
                    tracing::debug!(%error, "a client's connection broke");
                }
                return None;
            }
        }
    }
}

struct LetIn {
    grant: Grant,
    connection: String,
}

/// Challenge, `connect`, answer.
async fn let_in(client: &mut Client, served: &Served) -> Option<LetIn> {
    let (nonce, connection) = (random_id()?, random_id()?);
    let now = served.engine.get()?.clock().now();
    client.say(challenge(&nonce, now.0)).await?;
    let text = client.hear().await?;
    let request = match wire::read(&text) {
        Ok(request) => request,
        Err(None) => {
            client.close(1000, "").await;
            return None;
        }
        Err(Some(bad)) => {
            client.say(answer(&bad.id, Err(bad.error.clone()))).await?;
            client.close(1008, &bad.error.message).await;
            return None;
        }
    };
    let id = Value::from(request.id.clone());
    match judged(&request, served) {
        Ok(grant) => {
            let engine = served.engine.get()?;
            let policy = &served.settings.policy;
            let hello = hello(&engine, &served.host, policy, &grant, &connection);
            client.say(answer(&id, Ok(hello))).await?;
            Some(LetIn { grant, connection })
        }
        Err(refusal) => {
            client.say(answer(&id, Err(refusal.error.clone()))).await?;
            client.close(refusal.close, &refusal.error.message).await;
            None
        }
    }
}

fn judged(request: &ClientRequest, served: &Served) -> Result<Grant, Refusal> {
    let refuse = |message: String| Refusal { error: ErrorBody::invalid(message), close: 1008 };
    if request.method != "connect" {
        return Err(refuse("invalid handshake: first request must be connect".into()));
    }
    let connect: Connect = serde_json::from_value(request.params.clone())
        .map_err(|error| refuse(format!("invalid connect params: {error}")))?;
    judge(&connect, &served.settings.token)
}

/// Everything after the handshake.
async fn talk(mut client: Client, served: Served, caller: Caller) {
    let mut events = served.host.hub.subscribe();
    let mut outgoing = Outgoing::default();
    let (link, mut links) = mpsc::unbounded_channel();
    let mut calls = FuturesUnordered::new();
    let calls_max = served.settings.policy.calls_max;
    loop {
        let said = tokio::select! {
            // What a method said first goes out before its last answer.
            biased;
            Some(message) = links.recv() => match message {
                LinkMessage::Early(id, payload) => client.say(answer(&id, Ok(payload))).await,
                LinkMessage::Subscribe(topic) => {
                    outgoing.subscribe(topic);
                    Some(())
                }
                LinkMessage::Unsubscribe(topic) => {
                    outgoing.unsubscribe(&topic);
                    Some(())
                }
            },
            Some((id, result)) = calls.next() => client.say(answer(&id, result)).await,
            event = events.recv() => match event {
                Ok(event) => {
                    let said = match outgoing.event(&event, &caller) {
                        Some(frame) => client.say(frame).await,
                        None => Some(()),
                    };
                    if event.name == "shutdown" {
                        return client.close(1012, "service restart").await;
                    }
                    said
                }
                Err(RecvError::Lagged(_)) => {
                    return client.close(1008, "slow consumer").await;
                }
                Err(RecvError::Closed) => return,
            },
            text = hear(&mut client.socket), if calls.len() < calls_max => match text {
                None => return,
                Some(text) => match wire::read(&text) {
                    Ok(request) => {
                        let link = ConnectionLink {
                            id: Value::from(request.id.clone()),
                            connection: link.clone(),
                        };
                        calls.push(perform(request, served.clone(), caller.clone(), link));
                        Some(())
                    }
                    Err(Some(BadFrame { id, error })) => client.say(answer(&id, Err(error))).await,
                    Err(None) => Some(()),
                },
            },
        };
        if said.is_none() {
            return;
        }
    }
}

async fn perform(
    request: ClientRequest,
    served: Served,
    caller: Caller,
    link: ConnectionLink,
) -> (Value, Result<Value, ErrorBody>) {
    let id = link.id.clone();
    if request.method == "connect" {
        let error = ErrorBody::invalid("connect is only valid as the first request");
        return (id, Err(error));
    }
    let Some(engine) = served.engine.get() else {
        return (id, Err(starting()));
    };
    let call = Call {
        engine,
        host: served.host,
        params: request.params,
        caller,
        link: Some(Arc::new(link)),
    };
    (id, methods::call(&request.method, call).await)
}

fn starting() -> ErrorBody {
    let details = serde_json::json!({"reason": "startup-sidecars"});
    ErrorBody {
        retry_after_ms: Some(STARTING_RETRY_MS),
        ..ErrorBody::unavailable("the service is starting or stopping").with(details)
    }
}

fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
