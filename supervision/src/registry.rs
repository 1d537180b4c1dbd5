//! Names to mailboxes, one map per tree: two trees in one process share nothing.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use ractor::{ActorCell, ActorRef, ActorStatus, Message, MessagingErr};

use crate::Health;

/// Who answers to which name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Mutex<HashMap<Arc<str>, Entry>>>);

#[derive(Debug, Clone)]
struct Entry {
    cell: ActorCell,
    health: Option<Health>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `actor` answer to `name`, in place of whoever did. An actor registers itself before it
    /// reads its durable state: what is written after that read then reaches its mailbox.
    pub fn register<M: Message>(
        &self,
        name: impl Into<Arc<str>>,
        actor: &ActorRef<M>,
        health: Option<Health>,
    ) {
        let entry = Entry { cell: actor.get_cell(), health };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), entry);
    }

    /// A handle that looks its target up by name for every message. It may be made before its target
    /// is there, and outlives every restart of it. `M` is the target's message type: a handle of
    /// another type gets its messages back.
    pub fn via<M: Message>(&self, name: impl Into<Arc<str>>) -> Via<M> {
        Via { registry: self.clone(), name: name.into(), message: PhantomData }
    }

    fn lookup(&self, name: &str) -> Option<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// A message nobody could take: the target is absent, restarting or leaving. It comes back whole.
pub struct Undeliverable<M>(pub M);

impl<M> fmt::Debug for Undeliverable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Undeliverable")
    }
}

impl<M> fmt::Display for Undeliverable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody answers to this name now; the message came back")
    }
}

impl<M> std::error::Error for Undeliverable<M> {}

/// A handle to whoever answers to a name now.
pub struct Via<M> {
    registry: Registry,
    name: Arc<str>,
    message: PhantomData<fn(M)>,
}

impl<M> Clone for Via<M> {
    fn clone(&self) -> Self {
        Self { registry: self.registry.clone(), name: self.name.clone(), message: PhantomData }
    }
}

impl<M> fmt::Debug for Via<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Via").field(&self.name).finish()
    }
}

impl<M: Message> Via<M> {
    /// Sends without waiting. For an answer, put an `RpcReplyPort` into the message.
    ///
    /// # Errors
    /// The message, if nobody takes it now: keep it, or send it again after the restart.
    pub fn cast(&self, message: M) -> Result<(), Undeliverable<M>> {
        let Some(entry) = self.registry.lookup(&self.name) else {
            return Err(Undeliverable(message));
        };
        if entry.cell.is_message_type_of::<M>() == Some(false) {
            tracing::error!(name = %self.name, "registered under another message type");
            return Err(Undeliverable(message));
        }
        let actor: ActorRef<M> = entry.cell.into();
        match actor.send_message(message) {
            Ok(()) => {
                if let Some(health) = &entry.health {
                    health.queued();
                }
                Ok(())
            }
            Err(MessagingErr::SendErr(message)) => Err(Undeliverable(message)),
            // The other two need a wrong message type, which was ruled out above.
            Err(MessagingErr::ChannelClosed | MessagingErr::InvalidActorType) => Ok(()),
        }
    }

    /// Whether nobody answers to the name, nor comes to an end at this moment.
    pub fn is_gone(&self) -> bool {
        let entry = self.registry.lookup(&self.name);
        entry.is_none_or(|entry| entry.cell.get_status() == ActorStatus::Stopped)
    }

    /// The actor that answers to the name now.
    pub fn whereis(&self) -> Option<ActorRef<M>> {
        let cell = self.registry.lookup(&self.name)?.cell;
        let answers = cell.get_status() < ActorStatus::Draining
            && cell.is_message_type_of::<M>() != Some(false);
        answers.then(|| cell.into())
    }
}
