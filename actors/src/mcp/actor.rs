//! The actor of one server: starts it, lends its connection to calls, stops it, tells its state.
//!
//! Tools ask it for the connection; its connection task reports to it. [`Life`] decides.
//! Restart: the old connection and its child have ended with the old actor; calls under way are
//! told that they were cut off. What the server offers is still known.
//! Invariants: V1, L1.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use rmcp::service::{Peer, RoleClient};
use telson_supervision::{Health, Registry, Via, task};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use super::catalog::Catalog;
use super::client::{Lease, Use};
use super::config::server_name;
use super::connection::{self, Order};
use super::life::{Life, Step};
use super::wire::ListedTool;

/// Calls that wait for a server to start.
const WAITING_MAX: usize = 256;
/// Time for a server to end with the engine: goodbye, end of input, kill.
const END_MAX: Duration = Duration::from_secs(7);

/// What the actor needs.
#[derive(Clone)]
pub struct McpDeps {
    /// What is known of the server, and how it is reached.
    pub catalog: Catalog,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Answered calls, and the server's state.
    pub health: Health,
}

type Lent = Result<Lease, String>;

/// What the actor is told.
pub enum McpMessage {
    /// Somebody wants to make a call.
    #[expect(private_interfaces, reason = "made by the room's own client only")]
    Lend(oneshot::Sender<Lent>),
    /// A call over the connection of this generation is over.
    #[expect(private_interfaces, reason = "made by the room's own client only")]
    Returned(u64, Use),
    /// The server is ready (from the connection task of this generation).
    Up(u64, Peer<RoleClient>, Vec<ListedTool>),
    /// The server's tools have changed (from the connection task of this generation).
    Listed(u64, Vec<ListedTool>),
    /// The server has shown that it lives (from the connection task of this generation).
    Alive(u64),
    /// The server has ended, with the reason unless it was told to (from the connection task).
    Down(u64, Option<String>),
    /// Time has passed (from its own timer).
    Wake,
}

/// See the module.
pub struct McpActor;

/// Its memory.
pub struct Server {
    deps: McpDeps,
    life: Life,
    origin: Instant,
    generation: u64,
    connection: Option<Connection>,
    waiting: Vec<oneshot::Sender<Lent>>,
    trouble: Option<String>,
    wakes_at: Option<Duration>,
}

struct Connection {
    peer: Option<Peer<RoleClient>>,
    doubt: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    done: oneshot::Receiver<()>,
}

type Myself = ActorRef<McpMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for McpActor {
    type Msg = McpMessage;
    type State = Server;
    type Arguments = McpDeps;

    async fn pre_start(&self, myself: Myself, deps: McpDeps) -> Outcome<Server> {
        let name = server_name(deps.catalog.server());
        deps.registry.register(name, &myself, Some(deps.health.clone()));
        let life = Life::new(deps.catalog.config().idle_max);
        // Also with a known list: what changed while nobody listened is learned.
        myself.send_after(Duration::ZERO, || McpMessage::Wake);
        Ok(Server {
            deps,
            life,
            origin: Instant::now(),
            generation: 0,
            connection: None,
            waiting: Vec::new(),
            trouble: None,
            wakes_at: None,
        })
    }

    async fn handle(&self, myself: Myself, message: McpMessage, server: &mut Server) -> Outcome {
        let now = server.origin.elapsed();
        let step = match message {
            McpMessage::Lend(reply) => {
                server.deps.health.taken();
                server.waiting.push(reply);
                server.life.asked(now)
            }
            McpMessage::Returned(generation, how) => {
                server.deps.health.taken();
                server.returned(generation, how, now);
                Step::Wait
            }
            McpMessage::Up(generation, peer, tools) if generation == server.generation => {
                server.came_up(peer, tools, now);
                Step::Wait
            }
            McpMessage::Listed(generation, tools) if generation == server.generation => {
                server.deps.catalog.learn(tools);
                Step::Wait
            }
            McpMessage::Alive(generation) if generation == server.generation => {
                server.life.cleared();
                server.lend_to_waiting(now);
                Step::Wait
            }
            McpMessage::Down(generation, reason) if generation == server.generation => {
                server.went_down(reason, now)
            }
            McpMessage::Wake => {
                server.wakes_at = None;
                server.life.woke(now, !server.waiting.is_empty())
            }
            McpMessage::Up(..)
            | McpMessage::Listed(..)
            | McpMessage::Alive(_)
            | McpMessage::Down(..) => Step::Wait,
        };
        server.perform(&myself, step).await?;
        server.wait(&myself);
        server.tell();
        Ok(())
    }

    // The connection task reports its end by itself; one that crashed or was killed can't.
    async fn handle_supervisor_evt(
        &self,
        _: Myself,
        event: SupervisionEvent,
        server: &mut Server,
    ) -> Outcome {
        match event {
            SupervisionEvent::ActorFailed(_, error) => {
                Err(format!("the connection to {} crashed: {error}", server.deps.catalog.server())
                    .into())
            }
            _ => Ok(()),
        }
    }

    async fn post_stop(&self, _: Myself, server: &mut Server) -> Outcome {
        if let Some(mut connection) = server.connection.take() {
            drop(connection.stop.take());
            drop(timeout(END_MAX, connection.done).await);
        }
        Ok(())
    }
}

impl Server {
    async fn perform(&mut self, myself: &Myself, step: Step) -> Outcome {
        match step {
            Step::Wait => {}
            Step::Connect => self.connect(myself).await?,
            Step::Lend => self.lend(),
            Step::Refuse(left) => {
                self.refuse(&format!("; it is tried again in {} s", left.as_secs()));
            }
            Step::Stop => drop(self.connection.as_mut().and_then(|running| running.stop.take())),
        }
        if self.waiting.len() > WAITING_MAX {
            self.refuse("; too many calls wait for it");
        }
        Ok(())
    }

    async fn connect(&mut self, myself: &Myself) -> Outcome {
        self.generation += 1;
        let doubt = Arc::new(Notify::new());
        let (stop, stopped) = oneshot::channel();
        let (ended, done) = oneshot::channel();
        let order = Order {
            server: self.deps.catalog.config(),
            generation: self.generation,
            actor: myself.clone(),
            doubt: doubt.clone(),
            stop: stopped,
            done: ended,
        };
        task::spawn(myself.get_cell(), connection::run(order)).await?;
        self.connection = Some(Connection { peer: None, doubt, stop: Some(stop), done });
        Ok(())
    }

    fn came_up(&mut self, peer: Peer<RoleClient>, tools: Vec<ListedTool>, now: Duration) {
        self.trouble = None;
        self.deps.catalog.learn(tools);
        self.deps.health.completed();
        self.life.came_up(now);
        if let Some(connection) = &mut self.connection {
            connection.peer = Some(peer);
        }
        self.lend_to_waiting(now);
    }

    /// Each of them is a call of its own.
    fn lend_to_waiting(&mut self, now: Duration) {
        for reply in std::mem::take(&mut self.waiting) {
            let step = self.life.asked(now);
            self.waiting.push(reply);
            if step == Step::Lend {
                self.lend();
            }
        }
    }

    /// Gives the connection to everybody who waits; while it is up that is the one who just asked.
    fn lend(&mut self) {
        let peer = self.connection.as_ref().and_then(|running| running.peer.clone());
        let Some(peer) = peer else { return };
        let actor: Via<McpMessage> =
            self.deps.registry.via(server_name(self.deps.catalog.server()));
        for reply in std::mem::take(&mut self.waiting) {
            let (peer, actor) = (peer.clone(), actor.clone());
            let lease = Lease { peer, generation: self.generation, actor, how: Use::GivenUp };
            // A caller that is gone gives it back by dropping it.
            drop(reply.send(Ok(lease)));
        }
    }

    fn returned(&mut self, generation: u64, how: Use, now: Duration) {
        if generation != self.generation {
            return;
        }
        self.life.returned(how == Use::Answered, now);
        match (how, &self.connection) {
            (Use::Answered, _) => self.deps.health.completed(),
            (Use::Failed, Some(connection)) => {
                self.life.doubted();
                connection.doubt.notify_one();
            }
            (Use::Failed, None) | (Use::GivenUp, _) => {}
        }
    }

    fn went_down(&mut self, reason: Option<String>, now: Duration) -> Step {
        self.connection = None;
        self.deps.catalog.settle();
        if let Some(reason) = reason {
            if self.trouble.as_ref() != Some(&reason) {
                tracing::warn!(server = %self.deps.catalog.server(), %reason, "MCP server down");
            }
            self.trouble = Some(reason);
        }
        self.life.went_down(now, !self.waiting.is_empty())
    }

    fn refuse(&mut self, more: &str) {
        let why = self.trouble.as_deref().unwrap_or("it does not run");
        let text = format!("the MCP server {} is down: {why}{more}", self.deps.catalog.server());
        for reply in std::mem::take(&mut self.waiting) {
            drop(reply.send(Err(text.clone())));
        }
    }

    /// Keeps one timer for the next thing that time brings.
    fn wait(&mut self, myself: &Myself) {
        let Some(at) = self.life.wakes_at(!self.waiting.is_empty()) else { return };
        if self.wakes_at.is_none_or(|known| at < known) {
            self.wakes_at = Some(at);
            myself.send_after(at.saturating_sub(self.origin.elapsed()), || McpMessage::Wake);
        }
    }

    /// What people see in the tree.
    fn tell(&self) {
        let (word, tools) = (self.life.word(), self.deps.catalog.len());
        let trouble =
            self.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        self.deps.health.set_note(Some(format!("{word}, {tools} tools{trouble}")));
    }
}
