//! The control socket and the gateway's port of a service that has no engine for a while.

use std::path::Path;
use std::time::Duration;

use telson_actors::event::Journal;
use telson_actors::store::{StateLock, StoreError};
use telson_supervision::{Strategy, SupervisorSpec, Tree};

use super::listener::{ControlSpec, socket_path};
use crate::engine::LateEngine;
use crate::gateway::{GatewaySpec, Sources};
use crate::host::Host;

/// How long its actors may take to stop.
const STOP_MAX: Duration = Duration::from_secs(1);
/// How long opening the gateway's port may take.
const OPEN_MAX: Duration = Duration::from_secs(1);

/// Answers that the service lives, and what it waits for; keeps its state directory meanwhile.
pub(crate) struct Standby {
    /// Absent if nobody can be answered: on a full disk there may be no room for a socket.
    tree: Option<Tree>,
    _lock: Option<StateLock>,
}

impl Standby {
    /// Takes the place of an engine that is gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: somebody else has the state directory.
    pub(crate) async fn start(
        state_dir: &Path,
        gateway: &GatewaySpec,
        why: &str,
    ) -> Result<Self, StoreError> {
        let dir = state_dir.to_owned();
        let lock = tokio::task::spawn_blocking(move || StateLock::acquire(&dir)).await;
        let lock = match lock.map_err(|error| StoreError::Database(error.to_string()))? {
            Ok(lock) => Some(lock),
            Err(error @ StoreError::Locked { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "nothing can be asked while the service waits");
                None
            }
        };
        // Without the lock the socket might be somebody else's.
        let tree = match &lock {
            Some(_) => answering(state_dir, gateway, why).await,
            None => None,
        };
        Ok(Self { tree, _lock: lock })
    }

    /// Makes room for an engine.
    pub(crate) async fn stop(self) {
        if let Some(tree) = self.tree {
            tree.shutdown(STOP_MAX).await;
        }
    }
}

async fn answering(state_dir: &Path, gateway: &GatewaySpec, why: &str) -> Option<Tree> {
    let control = ControlSpec { path: socket_path(state_dir), host: Host::default() };
    let child = control.into_child(LateEngine::absent(why));
    let spec = SupervisorSpec::new("standby", Strategy::OneForOne, 10, Duration::from_mins(1));
    let mut spec = spec.child(child);
    // On a full disk a token may find no room, and the port may be somebody else's by now.
    match tokio::time::timeout(OPEN_MAX, gateway.open()).await {
        Ok(Ok(())) => {
            let engine = LateEngine::absent(why);
            spec = spec.child(gateway.clone().into_child(
                engine,
                Sources { journal: Journal::new(), work: None, suspension: None },
            ));
        }
        Ok(Err(why)) => tracing::warn!(why, "the gateway's port is closed while it waits"),
        Err(_) => tracing::warn!("the gateway's port is closed while it waits: it is taken"),
    }
    Tree::start(spec)
        .await
        .inspect_err(|error| tracing::warn!(%error, "nothing can be asked while it waits"))
        .ok()
}
