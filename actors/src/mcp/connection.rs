//! One connection to a server, from its start to its end, as one supervised task.
//!
//! The task holds everything that must end together: the child, the pipes, the protocol's own loop.
//! Killing the task ends them all.

use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use rmcp::ServiceExt;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientRequest, Implementation, PaginatedRequestParams,
    PingRequest, ProtocolVersion, Tool,
};
use rmcp::service::{NotificationContext, Peer, RoleClient, RunningService, ServiceError};
use telson_supervision::task;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::actor::McpMessage;
use super::child::{self, LastWords, Process};
use super::config::{McpServer, Transport};
use super::http;
use super::wire::{self, ListedTool};
use crate::provider::hide;

/// A server that does not answer a ping for this long hangs.
const PING_MAX: Duration = Duration::from_secs(5);
/// Time for the protocol to say goodbye.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// Pause between two looks at a list that keeps changing.
const LIST_PAUSE: Duration = Duration::from_millis(200);
/// Pages of one list of tools: a server whose pages never end is cut off here.
const PAGES_MAX: usize = 64;
/// Characters of a reason that are shown.
const REASON_CHARS_MAX: usize = 600;

/// What a connection is made with.
pub(super) struct Order {
    pub(super) server: Arc<McpServer>,
    pub(super) generation: u64,
    pub(super) actor: ActorRef<McpMessage>,
    /// Ask whether the server still lives.
    pub(super) doubt: Arc<Notify>,
    /// Sent or dropped: end the server.
    pub(super) stop: oneshot::Receiver<()>,
    /// Dropped when the server has ended.
    pub(super) done: oneshot::Sender<()>,
}

/// The client's side of the protocol: hears what a server says unasked.
struct Listener {
    changed: Arc<Notify>,
}

impl rmcp::ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("telson", env!("CARGO_PKG_VERSION"));
        // Nobody sits here to answer a server's questions, so no ability to ask us is offered.
        ClientConfig::new(ClientCapabilities::default(), us)
            // Later versions know no handshake, so none can be asked for in one.
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

type Service = RunningService<RoleClient, Listener>;

/// What has been started so far, so that a failure half-way ends it too.
#[derive(Default)]
struct Held {
    process: Option<Process>,
    service: Option<Service>,
    last_words: LastWords,
}

/// Runs a connection to its end and reports to the actor.
pub(super) async fn run(mut order: Order) {
    let mut held = Held::default();
    let reason = live(&mut order, &mut held).await;
    let reason = match reason {
        Some(reason) => Some(with_end(reason, &mut held).await),
        None => None,
    };
    if let Some(service) = &mut held.service {
        drop(service.close_with_timeout(CLOSE_MAX).await);
    }
    if let Some(process) = held.process {
        process.finish().await;
    }
    let reason = reason.map(|reason| {
        let told = hide(&reason, &order.server.secrets());
        told.chars().take(REASON_CHARS_MAX).collect()
    });
    drop(order.actor.send_message(McpMessage::Down(order.generation, reason)));
    drop(order.done);
}

/// From the start until something goes wrong; says what, unless the server was told to end.
async fn live(order: &mut Order, held: &mut Held) -> Option<String> {
    let server = order.server.clone();
    let changed = Arc::new(Notify::new());
    let opening = async {
        let peer = open(&server, &order.actor, &changed, held).await?;
        let tools = list(&peer, &server).await?;
        Ok::<_, String>((peer, tools))
    };
    let opened = tokio::select! {
        // Asked to stop, or nobody is left who could ask.
        _ = &mut order.stop => return None,
        opened = timeout(server.connect_max, opening) => opened,
    };
    let (peer, tools) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(reason)) => return Some(reason),
        Err(_) => return Some(format!("it was not ready after {:?}", server.connect_max)),
    };
    let up = McpMessage::Up(order.generation, peer.clone(), tools);
    if order.actor.send_message(up).is_err() {
        return None;
    }
    watch(order, &changed, &peer, held.service.take()?).await
}

/// A child that has ended says more than the pipe that broke.
async fn with_end(reason: String, held: &mut Held) -> String {
    let Some(process) = &mut held.process else { return reason };
    let reason = process.ended().await.unwrap_or(reason);
    format!("{reason}{}", held.last_words.told())
}

async fn open(
    server: &McpServer,
    actor: &ActorRef<McpMessage>,
    changed: &Arc<Notify>,
    held: &mut Held,
) -> Result<Peer<RoleClient>, String> {
    let listener = Listener { changed: changed.clone() };
    let service = match &server.transport {
        Transport::Http { url, headers } => {
            let transport = http::transport(url, headers, server.calls_max)?;
            listener.serve(transport).await
        }
        Transport::Stdio { .. } => {
            let started = child::start(&server.transport)?;
            let (process, pipes) = started.ok_or("it is no child process")?;
            held.process = Some(process);
            let log = child::read_log(server.name.clone(), pipes.log, held.last_words.clone());
            task::spawn(actor.get_cell(), log).await.map_err(|error| error.to_string())?;
            listener.serve((pipes.output, pipes.input)).await
        }
    };
    let service = service.map_err(|error| format!("it did not introduce itself: {error}"))?;
    let peer = service.peer().clone();
    held.service = Some(service);
    Ok(peer)
}

/// Follows the list of tools and looks after a server in doubt, until the connection ends.
async fn watch(
    order: &mut Order,
    changed: &Notify,
    peer: &Peer<RoleClient>,
    service: Service,
) -> Option<String> {
    let server = order.server.clone();
    let token = service.cancellation_token();
    // Dropped unfinished, it tells the protocol's loop to end.
    let mut ended = std::pin::pin!(service.waiting());
    let reason = loop {
        tokio::select! {
            _ = &mut ended => return Some("it closed the connection".into()),
            _ = &mut order.stop => break None,
            () = order.doubt.notified() => {
                if let Err(reason) = ping(peer).await {
                    break Some(reason);
                }
                drop(order.actor.send_message(McpMessage::Alive(order.generation)));
            }
            () = changed.notified() => {
                let tools = match timeout(server.connect_max, list(peer, &server)).await {
                    Ok(Ok(tools)) => tools,
                    Ok(Err(reason)) => break Some(reason),
                    Err(_) => break Some("it did not list its tools in time".into()),
                };
                drop(order.actor.send_message(McpMessage::Listed(order.generation, tools)));
                tokio::time::sleep(LIST_PAUSE).await;
            }
        }
    };
    token.cancel();
    drop(timeout(CLOSE_MAX, ended).await);
    reason
}

async fn ping(peer: &Peer<RoleClient>) -> Result<(), String> {
    let ping = peer.send_request(ClientRequest::PingRequest(PingRequest::default()));
    match timeout(PING_MAX, ping).await {
        // Any answer shows life, a refusal as well.
        Ok(Ok(_) | Err(ServiceError::McpError(_))) => Ok(()),
        Ok(Err(error)) => Err(format!("it does not answer: {error}")),
        Err(_) => Err(format!("it hangs: no answer to a ping for {PING_MAX:?}")),
    }
}

/// All pages of the list. A server without tools has an empty one.
async fn list(peer: &Peer<RoleClient>, server: &McpServer) -> Result<Vec<ListedTool>, String> {
    let has_tools = peer.peer_info().is_none_or(|info| info.capabilities.tools.is_some());
    let mut tools: Vec<Tool> = Vec::new();
    let mut cursor = None;
    for _ in 0..if has_tools { PAGES_MAX } else { 0 } {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let page = peer.list_tools(Some(params)).await;
        let page = page.map_err(|error| format!("it did not list its tools: {error}"))?;
        tools.extend(page.tools);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let (tools, remarks) = wire::listed(&server.name, &server.include, &server.exclude, tools);
    for remark in remarks {
        tracing::warn!(server = %server.name, "a tool is left out: {remark}");
    }
    Ok(tools)
}
