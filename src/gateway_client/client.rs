//! One connection: let in, ask, hear.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WireError, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use super::pin::Pin;
use super::{Address, GatewayError};
use crate::frame::{ErrorBody, Frame, Request, Response};
use crate::gateway::Fingerprint;
use crate::gateway::handshake::PROTOCOL;
use crate::methods::Scope;

/// How long the way in may take.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Longest frame that is taken, in bytes.
const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Events kept while an answer is awaited; the oldest go first.
const EVENTS_KEPT_MAX: usize = 4096;
/// Silence on a connection is its end after this many of the gateway's signs of life.
const TICKS_MISSED_MAX: u32 = 2;

/// A connection to a gateway, as an operator.
pub struct GatewayClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    url: String,
    hello: Value,
    events: VecDeque<(String, Value)>,
    asked: u64,
}

impl GatewayClient {
    /// How long a question may take where nobody says otherwise.
    pub const ANSWER_MAX: Duration = Duration::from_secs(30);

    /// Connects and is let in.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn connect(address: &Address, token: Option<&str>) -> Result<Self, GatewayError> {
        Self::connect_pinned(address, token, None).await
    }

    /// The same where the gateway's certificate is known: no other one is taken, and this one
    /// whoever has signed it.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn connect_pinned(
        address: &Address,
        token: Option<&str>,
        certificate: Option<Fingerprint>,
    ) -> Result<Self, GatewayError> {
        let url = address.to_string();
        let late = |_| GatewayError::Late {
            url: url.clone(),
            method: "connect".into(),
            seconds: CONNECT_MAX.as_secs(),
        };
        let letting_in = Self::let_in(address, token, certificate);
        tokio::time::timeout(CONNECT_MAX, letting_in).await.map_err(late)?
    }

    async fn let_in(
        address: &Address,
        token: Option<&str>,
        certificate: Option<Fingerprint>,
    ) -> Result<Self, GatewayError> {
        let url = address.to_string();
        // Whoever came first has set the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let pin = certificate.map(Pin::new);
        let connector = match pin.as_ref().map(Pin::config).transpose() {
            Ok(config) => config.map(Connector::Rustls),
            Err(error) => {
                return Err(GatewayError::NotThere { url, reason: error.to_string() });
            }
        };
        let connecting = connect_async_tls_with_config(&url, Some(config), true, connector);
        let (socket, _) =
            connecting.await.map_err(|error| match pin.as_ref().and_then(|pin| pin.other()) {
                Some(shown) => GatewayError::OtherCertificate { url: url.clone(), shown },
                None => not_connected(&url, error),
            })?;
        let mut client =
            Self { socket, url, hello: Value::Null, events: VecDeque::new(), asked: 0 };
        client.challenged().await?;
        let hello = client.call("connect", introduction(token)).await;
        client.hello = hello.map_err(|error| match error {
            GatewayError::Refused(error) => GatewayError::not_let_in(address, error),
            error => error,
        })?;
        Ok(client)
    }

    /// What the gateway said of itself.
    pub fn hello(&self) -> &Value {
        &self.hello
    }

    /// Asks one question, which may take [`Self::ANSWER_MAX`].
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, GatewayError> {
        self.call_within(method, params, Self::ANSWER_MAX, false).await
    }

    /// Asks one question. `is_final` waits for the last answer of a method that first says that it
    /// has accepted the work.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn call_within(
        &mut self,
        method: &str,
        params: Value,
        time: Duration,
        is_final: bool,
    ) -> Result<Value, GatewayError> {
        let late = GatewayError::Late {
            url: self.url.clone(),
            method: method.into(),
            seconds: time.as_secs(),
        };
        tokio::time::timeout(time, self.ask(method, params, is_final)).await.map_err(|_| late)?
    }

    async fn ask(
        &mut self,
        method: &str,
        params: Value,
        is_final: bool,
    ) -> Result<Value, GatewayError> {
        self.asked += 1;
        let id = self.asked.to_string();
        let request = Request { id: id.clone(), method: method.into(), params };
        let sent = self.socket.send(Message::text(Frame::Req(request).encode())).await;
        sent.map_err(|error| self.lost(error))?;
        loop {
            match self.frame().await? {
                Frame::Res(Response { id: of, error, payload, .. }) if of == id => {
                    let payload = match error {
                        Some(error) => return Err(GatewayError::Refused(error)),
                        None => payload.unwrap_or_default(),
                    };
                    if !(is_final && payload["status"] == "accepted") {
                        return Ok(payload);
                    }
                }
                Frame::Event { event, payload, .. } => {
                    if self.events.len() == EVENTS_KEPT_MAX {
                        self.events.pop_front();
                    }
                    self.events.push_back((event, payload));
                }
                Frame::Res(_) | Frame::Req(_) => {}
            }
        }
    }

    /// The next event, and its name. May be dropped and called again: nothing is missed.
    ///
    /// # Errors
    /// The connection is lost; also when nothing at all is heard for two signs of life.
    pub async fn event(&mut self) -> Result<(String, Value), GatewayError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        let tick = self.hello.pointer("/policy/tickIntervalMs").and_then(Value::as_u64);
        let silence = Duration::from_millis(tick.unwrap_or(30_000)) * TICKS_MISSED_MAX;
        loop {
            match tokio::time::timeout(silence, self.frame()).await {
                Ok(Ok(Frame::Event { event, payload, .. })) => return Ok((event, payload)),
                Ok(Ok(Frame::Res(_) | Frame::Req(_))) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(self.lost("it says nothing any more")),
            }
        }
    }

    async fn challenged(&mut self) -> Result<(), GatewayError> {
        match self.frame().await {
            Ok(Frame::Event { event, .. }) if event == "connect.challenge" => Ok(()),
            Ok(_) | Err(GatewayError::Lost { .. }) => Err(GatewayError::NoGateway {
                url: self.url.clone(),
                reason: "it does not begin with a challenge".into(),
            }),
            Err(error) => Err(error),
        }
    }

    async fn frame(&mut self) -> Result<Frame, GatewayError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => match Frame::parse(&text) {
                    Ok(frame) => return Ok(frame),
                    Err(ErrorBody { message, .. }) => return Err(self.lost(message)),
                },
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.map(|frame| frame.reason.to_string());
                    let reason = reason.filter(|reason| !reason.is_empty());
                    return Err(self.lost(reason.unwrap_or_else(|| "it closed it".into())));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(self.lost(error)),
                None => return Err(self.lost("it closed it")),
            }
        }
    }

    fn lost(&self, reason: impl ToString) -> GatewayError {
        GatewayError::Lost { url: self.url.clone(), reason: reason.to_string() }
    }
}

/// The parameters of `connect`.
fn introduction(token: Option<&str>) -> Value {
    let mut params = json!({
        "minProtocol": PROTOCOL,
        "maxProtocol": PROTOCOL,
        "client": {
            "id": "cli",
            "displayName": "telson",
            "version": env!("CARGO_PKG_VERSION"),
            "platform": std::env::consts::OS,
            "mode": "cli",
        },
        "caps": [],
        "role": "operator",
        "scopes": Scope::ALL.map(Scope::name),
    });
    if let Some(token) = token {
        params["auth"] = json!({"token": token});
    }
    params
}

fn not_connected(url: &str, error: WireError) -> GatewayError {
    let url = url.to_owned();
    match error {
        WireError::Http(response) => {
            let reason = format!("it answers with HTTP status {}", response.status());
            GatewayError::NoGateway { url, reason }
        }
        WireError::Protocol(error) => GatewayError::NoGateway { url, reason: error.to_string() },
        WireError::Io(error) if is_untrusted(&error) => {
            GatewayError::Untrusted { url, reason: error.to_string() }
        }
        error => GatewayError::NotThere { url, reason: error.to_string() },
    }
}

fn is_untrusted(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}
