//! The gateway's actor: owns the port, and every connection as a supervised task.
//!
//! Its HTTP task and the connections' ends report to it. Restart: serves the same bound port again;
//! clients reconnect by themselves. Invariant: L1 (connections are bounded).

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use serde_json::json;
use telson_supervision::{ChildSpec, Shutdown, task};

use super::connection::{Served, serve};
use super::http::{Routes, router};
use super::hub::Hub;
use super::settings::Settings;
use crate::engine::LateEngine;
use crate::host::Host;

/// Its name in the tree.
pub(crate) const GATEWAY: &str = "gateway";
/// Connections at once.
const CONNECTIONS_MAX: usize = 16 * 1024;
/// Time for clients to hear that the service ends.
const FAREWELL: Duration = Duration::from_millis(100);

/// The gateway, to be added to an engine.
#[derive(Clone)]
pub struct GatewaySpec {
    /// The port, bound.
    pub listener: Arc<TcpListener>,
    /// How it behaves.
    pub settings: Arc<Settings>,
    /// What the service around the engine knows.
    pub host: Host,
}

impl GatewaySpec {
    /// The gateway as a child of the tree.
    pub(crate) fn into_child(self, engine: LateEngine) -> ChildSpec {
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(500) };
        ChildSpec::actor(GATEWAY, move || (Gateway, (self.clone(), engine.clone())))
            .shutdown(shutdown)
    }
}

struct Gateway;

enum GatewayMessage {
    /// A client wants to speak WebSocket (from the HTTP task).
    Open(OnUpgrade, SocketAddr),
    /// Time for a sign of life (from itself).
    Tick,
}

/// How the HTTP task hands clients over.
#[derive(Clone)]
pub(super) struct Opener(ActorRef<GatewayMessage>);

impl Opener {
    pub(super) fn open(&self, upgrade: OnUpgrade, peer: SocketAddr) {
        // A gateway that is gone closes the connection by dropping it.
        drop(self.0.send_message(GatewayMessage::Open(upgrade, peer)));
    }
}

struct State {
    served: Served,
    hub: Hub,
    connections: usize,
}

impl Actor for Gateway {
    type Msg = GatewayMessage;
    type State = State;
    type Arguments = (GatewaySpec, LateEngine);

    async fn pre_start(
        &self,
        myself: ActorRef<GatewayMessage>,
        (spec, engine): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let hub = spec.host.hub.clone();
        let tick = spec.settings.policy.tick;
        let served = Served { settings: spec.settings, engine, host: spec.host };
        let listener = spec.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let routes = Routes { served: served.clone(), opener: Opener(myself.clone()) };
        let app = router(routes).into_make_service_with_connect_info::<SocketAddr>();
        let work = async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the gateway's port failed");
            }
        };
        task::spawn(myself.get_cell(), work).await?;
        myself.send_interval(tick, || GatewayMessage::Tick);
        // The HTTP task is none of the connections.
        Ok(State { served, hub, connections: 0 })
    }

    async fn handle(
        &self,
        myself: ActorRef<GatewayMessage>,
        message: GatewayMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GatewayMessage::Open(upgrade, peer) if state.connections < CONNECTIONS_MAX => {
                tracing::debug!(%peer, "a client connects");
                state.connections += 1;
                task::spawn(myself.get_cell(), serve(upgrade, state.served.clone())).await?;
            }
            GatewayMessage::Open(_, peer) => {
                tracing::warn!(%peer, limit = CONNECTIONS_MAX, "too many connections");
            }
            GatewayMessage::Tick => {
                if let Some(engine) = state.served.engine.get() {
                    let now = engine.clock().now().0;
                    state.hub.tell("tick", None, json!({"ts": now}));
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<GatewayMessage>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if !matches!(event, SupervisionEvent::ActorStarted(_)) {
            state.connections = state.connections.saturating_sub(1);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<GatewayMessage>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if state.connections > 0 {
            state.hub.tell("shutdown", None, json!({"reason": "gateway stopping"}));
            tokio::time::sleep(FAREWELL).await;
        }
        Ok(())
    }
}
