//! What others hold: asking for the lease, and seeing how things stand.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;
use telson_supervision::{Registry, Via};
use tokio::sync::watch;

use super::actor::{Blocker, NAME, SuspensionMessage};
use super::intake::Intake;
use super::lease::Wish;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// How far a suspension has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// There is none.
    #[default]
    Accepting,
    /// Somebody asks for one, and what is under way is looked at.
    Preparing,
    /// What is under way is waited for.
    Draining,
    /// Everything is quiet.
    Prepared,
}

impl Phase {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepting => "accepting",
            Self::Preparing => "preparing",
            Self::Draining => "draining",
            Self::Prepared => "prepared",
        }
    }
}

/// A lease, as its holder is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Its name.
    pub id: String,
    /// When it ends, by the clock on the wall.
    pub until: Timestamp,
}

/// What somebody who asks for quiet gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing: this is under way, and everything goes on as before.
    Busy(Vec<Blocker>),
    /// The lease; nothing new begins, and this is waited for.
    Draining(Leased, Vec<Blocker>),
    /// The lease, and quiet.
    Ready(Leased),
}

/// Why nobody was given a lease. Everything goes on as before.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The engine ends, or is followed by another one.
    #[error("the gateway is stopping or beginning anew")]
    Ending,
    /// Somebody has one.
    #[error("another suspension is held")]
    Taken(Duration),
    /// It took longer to look what is under way than a lease lasts.
    #[error("what is under way could not be looked at in time")]
    TooSlow,
    /// The store can't say what is under way.
    #[error(transparent)]
    Store(StoreError),
    /// Nobody is there to ask.
    #[error(transparent)]
    Absent(#[from] SuspensionAbsent),
}

/// How a lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Running,
    /// What is under way is waited for; it ends then.
    Draining(Timestamp, Vec<Blocker>),
    /// Everything is quiet; it ends then.
    Ready(Timestamp),
}

/// A lease of another name is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another suspension is held")]
pub struct OtherLease;

/// Nobody was there to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the core of the engine is restarting; try again")]
pub struct SuspensionAbsent;

/// The suspension of an engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Suspension {
    actor: Via<SuspensionMessage>,
    intake: Intake,
    phase: Arc<watch::Sender<Phase>>,
}

impl Suspension {
    /// Of the engine of this registry.
    pub fn new(registry: &Registry, intake: Intake) -> Self {
        let phase = Arc::new(watch::Sender::new(Phase::default()));
        Self { actor: registry.via(NAME), intake, phase }
    }

    /// What is taken in.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// How far it has got.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// The same, to wait for changes of it.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Returns once there is none.
    pub async fn over(&self) {
        // Its sender is this handle's own.
        drop(self.watch().wait_for(|phase| *phase == Phase::Accepting).await);
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.send_if_modified(|known| std::mem::replace(known, phase) != phase);
    }

    /// Asks for quiet, or for more of it.
    ///
    /// # Errors
    /// There is none, and everything goes on.
    pub async fn prepare(&self, wish: Wish) -> Result<Prepared, Refused> {
        self.ask(|reply| SuspensionMessage::Prepare(wish, reply)).await?
    }

    /// How a lease stands; looks anew for what is under way.
    ///
    /// # Errors
    /// Another one is held, or nobody was there to ask.
    pub async fn status(&self, id: String) -> Result<Result<Standing, OtherLease>, Refused> {
        self.ask(|reply| SuspensionMessage::Status(id, reply)).await?
    }

    /// Gives a lease back; `false` if it was over already.
    ///
    /// # Errors
    /// Another one is held, or nobody was there to ask.
    pub async fn resume(&self, id: String) -> Result<Result<bool, OtherLease>, SuspensionAbsent> {
        self.ask(|reply| SuspensionMessage::Resume(id, reply)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> SuspensionMessage,
    ) -> Result<T, SuspensionAbsent> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.actor.cast(message(sender.into())).map_err(|_| SuspensionAbsent)?;
        receiver.await.map_err(|_| SuspensionAbsent)
    }
}
