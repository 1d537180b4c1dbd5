//! One client: lets it in, answers what it asks, tells it what it wants to know.
//!
//! Runs as a supervised task of the gateway. Whatever a client does ends at most its own connection.
//! Invariant: L1 (frames, calls under way and unread events are bounded).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use telson_actors::clock::Clock;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role as Side, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WireError, Message};

use super::admission::{Admitted, Hearing};
use super::devices::{Connected, Cut};
use super::door::Place;
use super::gate::Gate;
use super::guests::{Newcomer, Visit};
use super::handshake::Grant;
use super::hello::hello;
use super::hub::{Forgotten, HubEvent};
use super::journeys::Journeys;
use super::link::{ConnectionLink, LinkMessage, LinkSender, Topics};
use super::outgoing::{Outgoing, answer, answer_text, challenge};
use super::refusal::Refusal;
use super::settings::Settings;
use super::under_way::{Kind, UnderWay};
use super::visitor::Visitor;
use super::wire::{self, BadFrame, ClientRequest, Connect};
use crate::engine::{Engine, LateEngine};
use crate::frame::ErrorBody;
use crate::hex::random;
use crate::host::Host;
use crate::methods::{self, Call, Caller, Role, Taking};

/// Bytes a connection keeps for reading and for writing before it needs more.
const BUFFER_BYTES: usize = 4 * 1024;
/// The code a connection is closed with whose device may be here no more.
const CUT: u16 = 4001;
/// Events written together.
const FRAMES_AT_ONCE_MAX: usize = 64;
/// Bytes of those beyond which no more is added.
const BYTES_AT_ONCE_MAX: usize = 256 * 1024;
/// When a client may ask again while the service starts.
const STARTING_RETRY_MS: u64 = 500;
/// The same for a node while the gateway is suspended.
const SUSPENDED_RETRY_MS: u64 = 5_000;

type Socket = WebSocketStream<Gate<TokioIo<Upgraded>>>;

/// What every connection works with.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) settings: Arc<Settings>,
    pub(super) engine: LateEngine,
    pub(super) host: Host,
}

/// Who has arrived, and the place it has.
pub(super) struct Arrival {
    pub(super) visitor: Visitor,
    pub(super) place: Arc<Place>,
}

/// Serves a client until either side ends it.
pub(super) async fn serve(
    upgrade: hyper::upgrade::OnUpgrade,
    Arrival { visitor, place }: Arrival,
    served: Served,
) {
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
    let socket = WebSocketStream::from_raw_socket(gate, Side::Server, Some(config)).await;
    let mut client = Client { socket, write_max: policy.write_max };
    // Before it is judged, so that nothing is missed that ends it.
    let cuts = served.host.devices.cuts();
    let letting_in = let_in(&mut client, &served, &visitor);
    let let_in = tokio::select! {
        let_in = tokio::time::timeout(policy.handshake_max, letting_in) => let_in,
        () = place.pushed_out() => return,
    };
    let Ok(Some(let_in)) = let_in else { return };
    is_open.store(true, Ordering::Relaxed);
    place.spoke();
    talk(client, served, let_in, cuts).await;
    drop(place);
}

/// A client that was let in.
struct Guest {
    connect: Connect,
    grant: Grant,
    connection: String,
    address: IpAddr,
}

impl Guest {
    fn caller(&self) -> Caller {
        let Grant { role, scopes, device, .. } = self.grant.clone();
        Caller { name: self.connection.clone(), role, scopes, device }
    }

    /// Notes that it is here, for as long as this lives.
    fn visit(&self, served: &Served, link: &LinkSender) -> Option<Visit> {
        let engine = served.engine.get()?;
        let (hub, clock) = (&served.host.hub, engine.clock());
        // Only nodes are allowed anything.
        let is_node = self.grant.role == Role::Node;
        let allowed = if is_node { engine.nodes().unwrap_or_default() } else { Vec::new() };
        let newcomer = Newcomer {
            connect: &self.connect,
            grant: &self.grant,
            connection: &self.connection,
            address: self.address,
            hub,
            clock,
            allowed: &allowed,
            link,
        };
        Some(served.host.guests.arrive(&newcomer))
    }
}

/// What ends the connection of a device from outside.
struct Leash {
    cuts: broadcast::Receiver<Cut>,
    connected: Option<Connected>,
}

impl Leash {
    /// Returns with the reason when this device has to go.
    async fn cut(&mut self, caller: &Caller) -> &'static str {
        if self.connected.is_none() {
            return std::future::pending().await;
        }
        loop {
            match self.cuts.recv().await {
                Ok(cut) => {
                    let is_role = cut.role.is_none_or(|role| role == caller.role);
                    let stays = cut.except.as_deref() == Some(&caller.name);
                    if is_role && !stays && caller.device.as_deref() == Some(&cut.device) {
                        return cut.why;
                    }
                }
                // It may have been meant.
                Err(RecvError::Lagged(_)) => return "connect again",
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
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

    /// The same for several, with one write for as many as fit.
    async fn say_all(&mut self, texts: Vec<String>) -> Option<()> {
        let sending = async {
            for text in texts {
                self.socket.feed(Message::text(text)).await?;
            }
            self.socket.flush().await
        };
        tokio::time::timeout(self.write_max, sending).await.ok()?.ok()
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
    guest: Guest,
    connected: Option<Connected>,
    /// What it is told, from the moment of the picture that its answer gives.
    events: Receiver<HubEvent>,
    link: LinkSender,
    links: mpsc::UnboundedReceiver<LinkMessage>,
    visit: Option<Visit>,
    /// See [`Admitted`].
    cuts: Option<Receiver<Cut>>,
}

/// Challenge, `connect`, answer.
async fn let_in(client: &mut Client, served: &Served, visitor: &Visitor) -> Option<LetIn> {
    let (nonce, connection) = (random::<16>().ok()?, random::<16>().ok()?);
    let Some(engine) = served.engine.get() else {
        turn_back(client, &nonce).await;
        return None;
    };
    let ts = engine.clock().now().0;
    client.say(challenge(&nonce, ts)).await?;
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
    let hearing = Hearing {
        settings: &served.settings,
        host: &served.host,
        engine: &engine,
        visitor,
        nonce: &nonce,
        ts,
    };
    match heard(&request, &hearing).await {
        Ok((connect, admitted)) => {
            let policy = &served.settings.policy;
            // Before it is told, so that whoever it tells finds it connected.
            let device = admitted.grant.device.as_deref();
            let connected = device.map(|device| served.host.devices.connected(device));
            let events = served.host.hub.subscribe();
            let hello = hello(&engine, &served.host, policy, &admitted, &connection);
            #[expect(
                clippy::disallowed_methods,
                reason = "the calls under way bound it, a few each"
            )]
            let (link, links) = mpsc::unbounded_channel();
            let (grant, cuts, address) = (admitted.grant, admitted.cuts, visitor.address);
            let guest = Guest { connect, grant, connection, address };
            let visit = guest.visit(served, &link);
            client.say(answer(&id, Ok(hello))).await?;
            Some(LetIn { guest, connected, events, link, links, visit, cuts })
        }
        Err(refusal) => {
            let (address, why) = (visitor.address, &refusal.error.message);
            tracing::info!(%address, %why, "a client is not let in");
            client.say(answer(&id, Err(refusal.error.clone()))).await?;
            client.close(refusal.close, &refusal.error.message).await;
            None
        }
    }
}

/// Tells a client that comes before the engine runs, or after, to come again.
async fn turn_back(client: &mut Client, nonce: &str) -> Option<()> {
    client.say(challenge(nonce, Clock::system().now().0)).await?;
    let text = client.hear().await?;
    let id = wire::read(&text).ok()?.id;
    client.say(answer(&id.into(), Err(starting()))).await?;
    client.close(1013, "the service is starting or stopping").await;
    Some(())
}

async fn heard(
    request: &ClientRequest,
    hearing: &Hearing<'_>,
) -> Result<(Connect, Admitted), Refusal> {
    if request.method != "connect" {
        return Err(Refusal::plain("invalid handshake: first request must be connect"));
    }
    let connect = wire::read_connect(&request.params).map_err(Refusal::plain)?;
    if connect.role.as_deref() == Some(Role::Node.name()) {
        fence(hearing.engine)?;
    }
    let admitted = hearing.admit(&connect).await?;
    Ok((connect, admitted))
}

/// Nodes bring work, and stay outside while somebody wants quiet; operators may end that.
fn fence(engine: &Engine) -> Result<(), Refusal> {
    match engine.taking() {
        Taking::All | Taking::Ending => Ok(()),
        Taking::Quieter | Taking::Nothing => {
            let mut refusal = Refusal::later("the gateway is suspended for a moment; try again");
            let details = serde_json::json!({"reason": "gateway-suspending"});
            refusal.error = refusal.error.with(details);
            refusal.error.retry_after_ms = Some(SUSPENDED_RETRY_MS);
            Err(refusal)
        }
    }
}

/// Everything after the handshake.
async fn talk(mut client: Client, served: Served, let_in: LetIn, cuts: Receiver<Cut>) {
    let LetIn { guest, connected, mut events, link, mut links, visit: _visit, cuts: anew } = let_in;
    let mut leash = Leash { cuts: anew.unwrap_or(cuts), connected };
    let mut outgoing = Outgoing::new(served.host.hub.clone());
    let (mut journeys, topics) = (Journeys::default(), Topics::default());
    let unread = Arc::default();
    let caller = guest.caller();
    let mut calls = FuturesUnordered::new();
    let policy = &served.settings.policy;
    let mut under_way = UnderWay::new(policy.calls_max, policy.buffered_max);
    loop {
        let said = tokio::select! {
            // What a method said first goes out before its last answer.
            biased;
            Some(message) = links.recv() => match message {
                LinkMessage::Early(id, payload) => client.say(answer(&id, Ok(payload))).await,
                LinkMessage::Subscribe(topic) => {
                    journeys.subscribe(&topic, &served.engine);
                    outgoing.subscribe(topic);
                    Some(())
                }
                LinkMessage::Event(name, payload) => {
                    client.say(outgoing.numbered(name, payload.text())).await
                }
                LinkMessage::Unsubscribe(topic) => {
                    journeys.unsubscribe(&topic);
                    outgoing.unsubscribe(&topic);
                    Some(())
                }
            },
            Some((kind, id, result)) = calls.next() => {
                under_way.end(kind);
                client.say(answer_text(&id, result)).await
            }
            why = leash.cut(&caller) => return client.close(CUT, why).await,
            event = events.recv() => {
                let told = gather(event, &mut events, &mut outgoing, &caller);
                let said = client.say_all(told.frames).await;
                match told.end {
                    Some(End::Close(code, reason)) => return client.close(code, reason).await,
                    Some(End::Gone) => return,
                    None => said,
                }
            },
            (name, payload) = journeys.next() => {
                client.say(outgoing.numbered(name, &payload.to_string())).await
            }
            text = hear(&mut client.socket), if under_way.is_listening() => match text {
                None => return,
                Some(text) => match wire::read(&text) {
                    Ok(request) => {
                        let id = Value::from(request.id.clone());
                        match under_way.begin(&request.method, text.len()) {
                            Some(kind) => {
                                let (connection, topics) = (link.clone(), topics.clone());
                                let unread = Arc::clone(&unread);
                                let link = ConnectionLink { id, connection, topics, unread };
                                let (served, caller) = (served.clone(), caller.clone());
                                calls.push(perform(request, served, caller, (link, kind)));
                                Some(())
                            }
                            None => client.say(answer(&id, Err(crowded()))).await,
                        }
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

/// What a connection is told at once.
struct Gathered {
    frames: Vec<String>,
    end: Option<End>,
}

/// Why nothing more is told.
enum End {
    Close(u16, &'static str),
    Gone,
}

/// An event and those that wait behind it.
fn gather(
    first: Result<HubEvent, RecvError>,
    events: &mut Receiver<HubEvent>,
    outgoing: &mut Outgoing,
    caller: &Caller,
) -> Gathered {
    let (mut frames, mut bytes, mut next) = (Vec::new(), 0, first);
    let end = loop {
        match next {
            Ok(event) => {
                match outgoing.event(&event, caller) {
                    Ok(frame) => {
                        bytes += frame.as_ref().map_or(0, String::len);
                        frames.extend(frame);
                    }
                    Err(Forgotten) => break Some(End::Close(1008, "slow consumer")),
                }
                if event.name == "shutdown" {
                    break Some(End::Close(1012, "service restart"));
                }
            }
            Err(RecvError::Lagged(_)) => break Some(End::Close(1008, "slow consumer")),
            Err(RecvError::Closed) => break Some(End::Gone),
        }
        if frames.len() >= FRAMES_AT_ONCE_MAX || bytes >= BYTES_AT_ONCE_MAX {
            break None;
        }
        next = match events.try_recv() {
            Ok(event) => Ok(event),
            Err(TryRecvError::Empty) => break None,
            Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
            Err(TryRecvError::Closed) => Err(RecvError::Closed),
        };
    };
    Gathered { frames, end }
}

async fn perform(
    request: ClientRequest,
    served: Served,
    caller: Caller,
    (link, kind): (ConnectionLink, Kind),
) -> (Kind, Value, Result<Arc<str>, ErrorBody>) {
    let id = link.id.clone();
    if request.method == "connect" {
        let error = ErrorBody::invalid("connect is only valid as the first request");
        return (kind, id, Err(error));
    }
    let Some(engine) = served.engine.get() else {
        return (kind, id, Err(starting()));
    };
    let call = Call {
        engine,
        host: served.host,
        params: request.params,
        caller,
        link: Some(Arc::new(link)),
    };
    (kind, id, methods::call_text(&request.method, call).await)
}

fn crowded() -> ErrorBody {
    ErrorBody::unavailable("too many calls of this connection are waiting; end some of them first")
}

fn starting() -> ErrorBody {
    let details = serde_json::json!({"reason": "startup-sidecars"});
    ErrorBody {
        retry_after_ms: Some(STARTING_RETRY_MS),
        ..ErrorBody::unavailable("the service is starting or stopping").with(details)
    }
}
