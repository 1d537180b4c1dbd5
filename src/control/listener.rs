//! The listening actor: accepts connections, each served by a supervised task.
//!
//! Its accept task and the connections' ends report to it. Restart: binds the socket again.
//! Invariant: L1 (connections are bounded); the socket is the owner's alone.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use telson_supervision::{ChildSpec, Shutdown, task};
use tokio::net::{UnixListener, UnixStream};

use super::connection::serve;
use crate::engine::LateEngine;
use crate::host::Host;

/// Its name in the tree.
pub(crate) const CONTROL: &str = "control";
/// Connections at once. Commands ask one question and leave.
const CONNECTIONS_MAX: usize = 64;
/// Pause after a failed accept (too many open files): the queue stays with the system.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Pause before another try to make the socket on a full disk.
const BIND_PAUSE: Duration = Duration::from_secs(5);

/// Where the control socket of a state directory is.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("telson.sock")
}

/// The control socket, to be added to an engine.
#[derive(Debug, Clone)]
pub struct ControlSpec {
    /// Where to listen.
    pub path: PathBuf,
    /// What the service around the engine knows.
    pub host: Host,
}

impl ControlSpec {
    /// The listener as a child of the tree.
    pub(crate) fn into_child(self, engine: LateEngine) -> ChildSpec {
        let shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(200) };
        ChildSpec::actor(CONTROL, move || (Listener, (self.clone(), engine.clone())))
            .shutdown(shutdown)
    }
}

struct Listener;

enum ListenerMessage {
    /// Somebody connected (from the accept task).
    Accepted(UnixStream),
    /// There may be room for the socket now (from itself).
    Bind,
}

struct State {
    spec: ControlSpec,
    engine: LateEngine,
    connections: usize,
}

impl Actor for Listener {
    type Msg = ListenerMessage;
    type State = State;
    type Arguments = (ControlSpec, LateEngine);

    async fn pre_start(
        &self,
        myself: ActorRef<ListenerMessage>,
        (spec, engine): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        listen(&spec.path, &myself).await?;
        Ok(State { spec, engine, connections: 0 })
    }

    async fn handle(
        &self,
        myself: ActorRef<ListenerMessage>,
        message: ListenerMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ListenerMessage::Bind => listen(&state.spec.path, &myself).await?,
            ListenerMessage::Accepted(stream) if state.connections < CONNECTIONS_MAX => {
                state.connections += 1;
                task::spawn(
                    myself.get_cell(),
                    serve(stream, state.engine.clone(), state.spec.host.clone()),
                )
                .await?;
            }
            ListenerMessage::Accepted(_) => {}
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
        drop(std::fs::remove_file(&state.spec.path));
        Ok(())
    }
}

/// Makes the socket and accepts on it. On a full disk the service goes on without one for now.
async fn listen(path: &Path, myself: &ActorRef<ListenerMessage>) -> Result<(), ActorProcessingErr> {
    match bind(path) {
        Ok(socket) => {
            task::spawn(myself.get_cell(), accept(socket, myself.clone())).await?;
        }
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            tracing::warn!(%error, "no room for the control socket; it will be tried again");
            myself.send_after(BIND_PAUSE, || ListenerMessage::Bind);
        }
        Err(error) => {
            let path = path.display();
            let hint = "is the path longer than 100 characters?";
            return Err(format!("cannot listen on {path}: {error}; {hint}").into());
        }
    }
    Ok(())
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    // The directory's lock is ours, so a socket that is there is a dead process's.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
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
