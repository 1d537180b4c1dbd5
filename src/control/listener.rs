//! The listening actor: accepts connections, each served by a supervised task.
//!
//! Its accept task and the connections' ends report to it. Restart: binds the socket again.
//! Invariant: L1 (connections are bounded); the socket is the owner's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use telson_supervision::{ChildSpec, Shutdown, task};
use tokio::net::{UnixListener, UnixStream};

use super::connection::serve;
use crate::engine::LateEngine;

/// Its name in the tree.
pub(super) const CONTROL: &str = "control";
/// Connections at once. Commands ask one question and leave.
const CONNECTIONS_MAX: usize = 64;
/// Pause after a failed accept (too many open files): the queue stays with the system.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where the control socket of a state directory is.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("telson.sock")
}

/// The control socket, to be added to an engine.
#[derive(Debug, Clone)]
pub struct ControlSpec {
    /// Where to listen.
    pub path: PathBuf,
}

impl ControlSpec {
    /// The listener as a child of the tree.
    pub(crate) fn into_child(self, engine: LateEngine) -> ChildSpec {
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(200) };
        ChildSpec::actor(CONTROL, move || (Listener, (self.path.clone(), engine.clone())))
            .shutdown(shutdown)
    }
}

struct Listener;

enum ListenerMessage {
    /// Somebody connected (from the accept task).
    Accepted(UnixStream),
}

struct State {
    path: PathBuf,
    engine: LateEngine,
    socket: Option<UnixListener>,
    connections: usize,
}

impl Actor for Listener {
    type Msg = ListenerMessage;
    type State = State;
    type Arguments = (PathBuf, LateEngine);

    async fn pre_start(
        &self,
        _: ActorRef<ListenerMessage>,
        (path, engine): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let socket = bind(&path)?;
        Ok(State { path, engine, socket: Some(socket), connections: 0 })
    }

    async fn post_start(
        &self,
        myself: ActorRef<ListenerMessage>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(socket) = state.socket.take() {
            task::spawn(myself.get_cell(), accept(socket, myself.clone())).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<ListenerMessage>,
        ListenerMessage::Accepted(stream): ListenerMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if state.connections < CONNECTIONS_MAX {
            state.connections += 1;
            task::spawn(myself.get_cell(), serve(stream, state.engine.clone())).await?;
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ListenerMessage>,
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
        _: ActorRef<ListenerMessage>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // A missing socket file tells the next command at once that nobody is here.
        drop(std::fs::remove_file(&state.path));
        Ok(())
    }
}

fn bind(path: &Path) -> Result<UnixListener, String> {
    let failed = |error: std::io::Error| {
        format!(
            "cannot listen on {}: {error}; is the path longer than 100 characters?",
            path.display()
        )
    };
    // The directory's lock is ours, so a socket that is there is a dead process's.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let socket = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(socket)
}

async fn accept(socket: UnixListener, actor: ActorRef<ListenerMessage>) {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                if actor.send_message(ListenerMessage::Accepted(stream)).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a control connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
