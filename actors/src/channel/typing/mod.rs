//! The sign that an answer is being made: shown while a turn runs, gone with it.
//!
//! A turn holds a [`Lease`]. It ends when it is dropped, and it is dropped with the turn, however
//! that ends: a session that crashes drops what it holds. [`leases`] decides, the actor of an
//! account calls its platform. Nobody waits for it.

mod actor;
pub mod leases;

pub use actor::{TypingActor, TypingDeps, TypingMessage};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson_supervision::{Registry, Via};

use crate::message::{AccountKey, Destination};

/// How often a platform is told again that an answer is being made, unless it wants otherwise.
pub const REFRESH_DEFAULT: Duration = Duration::from_secs(6);

/// A platform that can show that an answer is being made. It should forget by itself what is not
/// shown again for a few times [`refresh_every`](Self::refresh_every): a process can end at any time.
pub trait Typing: Send + Sync + 'static {
    /// How often it has to be shown to stay.
    fn refresh_every(&self) -> Duration {
        REFRESH_DEFAULT
    }

    /// Shows it. Failures are of no consequence. Dropped when the turn has ended.
    fn show<'a>(&'a self, to: &'a Destination) -> BoxFuture<'a, ()>;

    /// Takes it away.
    fn clear<'a>(&'a self, to: &'a Destination) -> BoxFuture<'a, ()>;
}

/// Where leases come from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Leaser {
    registry: Registry,
    numbers: Arc<AtomicU64>,
}

/// While it exists, it is shown that an answer is being made.
#[derive(Debug)]
pub struct Lease {
    number: u64,
    typing: Via<TypingMessage>,
}

impl Leaser {
    /// Leases of the accounts in this registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, numbers: Arc::default() }
    }

    /// Shows at this place that an answer is being made; nothing if its platform can't.
    pub fn lease(&self, to: &Destination) -> Option<Lease> {
        let typing: Via<TypingMessage> = self.registry.via(typing_name(&to.account));
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        typing.cast(TypingMessage::Start(number, to.clone())).ok()?;
        Some(Lease { number, typing })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.typing.cast(TypingMessage::End(self.number)).is_err() {
            tracing::debug!("typing restarts, and its platform forgets by itself");
        }
    }
}

/// The name of an account's typing actor.
fn typing_name(account: &AccountKey) -> String {
    format!("typing/{account}")
}
