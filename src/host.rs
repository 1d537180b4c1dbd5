//! What the service around an engine knows: shared by its transports, absent inside an embedding
//! program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::gateway::{Devices, Guests, Hub, Metrics, Runs, Tls};
use crate::logs::LogRing;
use crate::methods::{ConfigWrites, Kept};
use crate::restart::Restart;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Host(Arc<Facts>);

/// What is known when the service starts.
#[derive(Debug, Default)]
pub struct Facts {
    /// Where the service keeps its memory.
    pub state_dir: Option<PathBuf>,
    /// The config file, whether it exists or not.
    pub config_path: Option<PathBuf>,
    /// The config as it was read.
    pub config: Option<crate::config::Config>,
    /// Where the gateway listens, once it does.
    pub gateway: OnceLock<SocketAddr>,
    /// What encrypts there, if anything does.
    pub(crate) tls: OnceLock<Arc<Tls>>,
    /// Where Tailscale carries it, while it does.
    pub(crate) tailnet_url: Mutex<Option<String>>,
    /// What is told to everybody who is connected.
    pub hub: Hub,
    /// The devices that may connect.
    pub devices: Devices,
    /// What is counted.
    pub metrics: Metrics,
    /// The runs whose ends clients wait for.
    pub runs: Runs,
    /// Who is connected.
    pub guests: Guests,
    /// What was logged last; `None` where logs are somebody else's.
    pub logs: Option<LogRing>,
    /// What was last answered about the service's health.
    pub health: Kept,
    /// When the config was changed from afar.
    pub config_writes: ConfigWrites,
    /// How to begin anew; `None` where somebody else decides that.
    pub restart: Option<Restart>,
}

impl Host {
    /// Of these facts.
    pub fn new(facts: Facts) -> Self {
        Self(Arc::new(facts))
    }

    /// Where Tailscale carries the gateway, while it does.
    pub(crate) fn tailnet_url(&self) -> Option<String> {
        self.tailnet_url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes where Tailscale carries the gateway.
    pub(crate) fn set_tailnet_url(&self, url: Option<String>) {
        *self.tailnet_url.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}

impl std::ops::Deref for Host {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}
