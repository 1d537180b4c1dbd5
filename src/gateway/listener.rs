//! The gateway's actor: owns the port, and every connection as a supervised task.
//!
//! Its HTTP tasks and the connections' ends report to it. An HTTP task that ends is started again;
//! connections live on. Restart: serves the same bound ports again; clients reconnect by themselves.
//! Invariant: L1 (connections are bounded).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use serde_json::json;
use telson_supervision::{ChildSpec, Shutdown, task};
use tokio::sync::watch;

use super::connection::{Arrival, Served, serve};
use super::door::Door;
use super::http::{self, Routes, router};
use super::hub::Hub;
use super::narrator::{self, NARRATOR, NarratorDeps};
use super::news::Sources;
use super::open::{Opened, Wanted};
use super::ports::Inherited;
use super::server::{self, Front};
use super::{tailscale, tls};
use crate::engine::LateEngine;
use crate::host::Host;
use crate::methods::report;

/// Its name in the tree.
pub(crate) const GATEWAY: &str = "gateway";
/// Pause before an HTTP task that has ended is started again.
const HTTP_REST: Duration = Duration::from_millis(200);
/// Pause between two reports of health.
const HEALTH_EVERY: Duration = Duration::from_mins(1);
/// Time for clients to hear that the service ends.
const FAREWELL: Duration = Duration::from_millis(100);

/// The gateway, to be added to an engine. Cheap to clone; clones share the ports.
#[derive(Clone)]
pub struct GatewaySpec {
    pub(super) wanted: Arc<Wanted>,
    pub(crate) host: Host,
    pub(super) opened: Arc<OnceLock<Opened>>,
    /// Until it is open, the ports it may take over.
    pub(super) inherited: Inherited,
}

impl GatewaySpec {
    /// The narrator as a child of the tree.
    pub(crate) fn narrator(&self, deps: impl Fn(&Host) -> NarratorDeps) -> ChildSpec {
        let deps = deps(&self.host);
        // What it has not told, clients find in the history.
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(100) };
        ChildSpec::new(NARRATOR, move |parent| task::spawn(parent, narrator::run(deps.clone())))
            .shutdown(shutdown)
    }

    /// The gateway as a child of the tree.
    pub(crate) fn into_child(self, engine: LateEngine, sources: Sources) -> ChildSpec {
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(500) };
        ChildSpec::actor(GATEWAY, move || {
            (Gateway, (self.clone(), engine.clone(), sources.clone()))
        })
        .shutdown(shutdown)
    }
}

struct Gateway;

enum GatewayMessage {
    /// A client wants to speak WebSocket (from an HTTP task).
    Open(OnUpgrade, Arrival),
    /// Time to serve a port, by its index (from itself).
    Serve(usize),
    /// Time for a sign of life (from itself).
    Tick,
    /// Time to tell how the service is (from itself).
    Health,
}

/// How the HTTP tasks hand clients over.
#[derive(Clone)]
pub(super) struct Opener(ActorRef<GatewayMessage>);

impl Opener {
    pub(super) fn open(&self, upgrade: OnUpgrade, arrival: Arrival) {
        // A gateway that is gone closes the connection by dropping it.
        drop(self.0.send_message(GatewayMessage::Open(upgrade, arrival)));
    }
}

struct State {
    served: Served,
    hub: Hub,
    front: Front,
    opened: Arc<OnceLock<Opened>>,
    /// The HTTP tasks by the index of their port.
    serving: Vec<Option<ActorId>>,
    /// Tells every connection that it ends after the request it serves.
    stopping: watch::Sender<bool>,
}

impl State {
    /// Serves a port.
    async fn serve(
        &mut self,
        myself: &ActorRef<GatewayMessage>,
        index: usize,
    ) -> Result<(), ActorProcessingErr> {
        let ports = self.opened.get().map(|opened| &opened.listeners);
        let Some(bound) = ports.and_then(|ports| ports.get(index)) else { return Ok(()) };
        let listener = bound.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let work = server::serve(listener, bound.via, self.front.clone());
        let task = task::spawn(myself.get_cell(), work).await?;
        if let Some(serving) = self.serving.get_mut(index) {
            *serving = Some(task.get_id());
        }
        Ok(())
    }

    /// A task has ended; the index of its port, if it served one.
    fn ended(&mut self, task: ActorId) -> Option<usize> {
        let index = self.serving.iter().position(|serving| *serving == Some(task))?;
        self.serving[index] = None;
        Some(index)
    }
}

impl Actor for Gateway {
    type Msg = GatewayMessage;
    type State = State;
    type Arguments = (GatewaySpec, LateEngine, Sources);

    async fn pre_start(
        &self,
        myself: ActorRef<GatewayMessage>,
        (spec, engine, sources): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let opened = spec.opened.get().ok_or("the gateway's ports are not open")?;
        let hub = spec.host.hub.clone();
        let settings = opened.settings.clone();
        let served = Served { settings: settings.clone(), engine, host: spec.host.clone() };
        let routes = Routes::new(served.clone(), Opener(myself.clone()));
        let door = Door::new(settings.policy.room);
        let stopping = watch::Sender::new(false);
        let front = Front {
            app: router(routes),
            settings: settings.clone(),
            door,
            tls: opened.tls.clone(),
            stopping: stopping.subscribe(),
        };
        if let Some(tls) = opened.tls.clone() {
            task::spawn(myself.get_cell(), tls::watch(tls)).await?;
        }
        if let Some(port) = spec.tailscale_port() {
            let (mode, host) = (spec.wanted.config.tailscale.mode, spec.host.clone());
            task::spawn(myself.get_cell(), tailscale::hold(mode, port, host)).await?;
        }
        let counting = http::watch(sources.journal.subscribe(), served.host.metrics.clone());
        task::spawn(myself.get_cell(), counting).await?;
        if let Some(news) = sources.tell(served.host.clone()) {
            task::spawn(myself.get_cell(), news).await?;
        }
        let serving = vec![None; opened.listeners.len()];
        let opened = spec.opened.clone();
        let mut state = State { served, hub, front, opened, serving, stopping };
        for index in 0..state.serving.len() {
            state.serve(&myself, index).await?;
        }
        myself.send_interval(settings.policy.tick, || GatewayMessage::Tick);
        myself.send_interval(HEALTH_EVERY, || GatewayMessage::Health);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<GatewayMessage>,
        message: GatewayMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GatewayMessage::Open(upgrade, arrival) => {
                tracing::debug!(address = %arrival.visitor.address, "a client connects");
                let work = serve(upgrade, arrival, state.served.clone());
                task::spawn(myself.get_cell(), work).await?;
            }
            GatewayMessage::Serve(index) => state.serve(&myself, index).await?,
            GatewayMessage::Tick => {
                if let Some(engine) = state.served.engine.get() {
                    let now = engine.clock().now().0;
                    state.hub.tell("tick", None, json!({"ts": now}));
                    state.served.host.guests.pass(&state.hub, now);
                }
            }
            GatewayMessage::Health => {
                if let Some(engine) = state.served.engine.get().filter(|_| state.hub.is_heard()) {
                    report::tell(&engine, &state.served.host);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<GatewayMessage>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let task = match event {
            SupervisionEvent::ActorTerminated(task, ..) => task.get_id(),
            SupervisionEvent::ActorFailed(task, error) => {
                tracing::error!(%error, "a task of the gateway failed");
                task.get_id()
            }
            _ => return Ok(()),
        };
        if let Some(index) = state.ended(task) {
            tracing::error!("the gateway's port is served no more; serving it again");
            myself.send_after(HTTP_REST, move || GatewayMessage::Serve(index));
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<GatewayMessage>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.stopping.send_replace(true);
        if state.front.door.total() > 0 {
            state.hub.tell("shutdown", None, json!({"reason": "gateway stopping"}));
            tokio::time::sleep(FAREWELL).await;
        }
        Ok(())
    }
}
