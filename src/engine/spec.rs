//! What an engine is made of, and why one did not start.

use std::path::PathBuf;
use std::sync::Arc;

use telson_actors::channel::imessage::ImessageConfig;
use telson_actors::channel::{Channel, Receiver};
use telson_actors::message::AccountKey;
use telson_actors::outbox::UnsettledSends;
use telson_actors::provider::Provider;
use telson_actors::provider::profile::Keyring;
use telson_actors::store::{Backend, StoreError};

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No place for the store was named.
    #[error("no store: call state_dir() or in_memory()")]
    NoStore,
    /// An agent asks a provider that is not there.
    #[error("agent {agent:?} asks provider {provider:?}, which is not configured")]
    NoProvider {
        /// The agent.
        agent: String,
        /// The provider.
        provider: String,
    },
    /// The gateway's port or token can't be had.
    #[error("{0}")]
    Gateway(String),
    /// An actor did not start.
    #[error("{0}")]
    Tree(String),
}

impl StartError {
    /// Whether space on the disk is all that is missing: try again later.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_disk_full())
    }
}

/// Where an engine keeps its memory.
#[derive(Clone)]
pub enum StoreSpec {
    /// In this directory, which one process at a time can use.
    Dir(PathBuf),
    /// Behind this backend, committed in the caller's thread.
    Inline(Arc<dyn Backend>),
    /// Behind this backend, committed by a thread of its own: its calls may take their time.
    Threaded(Arc<dyn Backend>),
}

/// A model provider.
#[derive(Clone)]
pub struct ProviderSpec {
    /// Its name, as in `name/model`.
    pub name: String,
    /// Its keys, each with its client.
    pub keys: Keyring,
}

impl ProviderSpec {
    pub(super) fn single(name: &str, client: Arc<dyn Provider>) -> Self {
        Self { name: name.to_owned(), keys: Keyring::single(name, client) }
    }

    pub(super) fn named(&self) -> (String, Keyring) {
        (self.name.clone(), self.keys.clone())
    }
}

/// An account of a channel.
#[derive(Clone)]
pub enum AccountSpec {
    /// Apple Messages on this machine.
    Imessage(Box<ImessageConfig>, UnsettledSends),
    /// A channel of the embedding program.
    Own {
        /// Its name.
        account: AccountKey,
        /// Its sending half.
        channel: Arc<dyn Channel>,
        /// Its receiving half, unless the program injects.
        receiver: Option<Arc<dyn Receiver>>,
        /// What becomes of sends nobody can settle.
        unsettled: UnsettledSends,
    },
    /// Web chat, which has no platform.
    WebChat,
}
