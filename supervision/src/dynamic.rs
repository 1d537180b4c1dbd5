//! Children by key: started by the first message for their key, passivated when idle.
//!
//! The owner of the map is the only one who starts or addresses a child, so at most one child is
//! alive per key. A child that wants to leave drains itself: what was sent before is handled, what
//! is sent later comes back to the owner, who waits for the end and starts the key again with it.
//! After a crash the child is restarted (its mailbox is gone; whoever needs its content must have
//! made it durable before). A key that spends its restart budget rests and is tried again later.
//! A child whose memory no longer holds is renewed: that is no crash, and costs no budget and no pause.
//!
//! ```
//! use std::time::Duration;
//!
//! use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
//! use telson_supervision::dynamic::{DynamicMessage, DynamicSpec};
//! use telson_supervision::{Registry, Strategy, SupervisorSpec, Tree};
//!
//! /// Counts the visitors of one room.
//! struct Room;
//!
//! impl Actor for Room {
//!     type Msg = RpcReplyPort<u32>;
//!     type State = u32;
//!     type Arguments = ();
//!
//!     async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<u32, ActorProcessingErr> {
//!         Ok(0)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         _: ActorRef<Self::Msg>,
//!         visitor: RpcReplyPort<u32>,
//!         visitors: &mut u32,
//!     ) -> Result<(), ActorProcessingErr> {
//!         *visitors += 1;
//!         visitor.send(*visitors)?;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let rooms = DynamicSpec::new("app/rooms", |_name: String, parent| async move {
//!     Actor::spawn_linked(None, Room, (), parent).await.map(|(room, _)| room)
//! });
//! let root = SupervisorSpec::new("app", Strategy::OneForOne, 3, Duration::from_secs(60))
//!     .child(rooms.into_child("rooms", registry.clone()));
//! let tree = Tree::start(root).await?;
//!
//! // It answers to its path; a message for a new key starts the child of that key.
//! let rooms = registry.via::<DynamicMessage<String, RpcReplyPort<u32>>>("app/rooms");
//! for (name, expected) in [("kitchen", 1), ("garden", 1), ("kitchen", 2)] {
//!     let (sender, receiver) = tokio::sync::oneshot::channel();
//!     rooms.cast(DynamicMessage::Dispatch(name.to_owned(), sender.into()))?;
//!     assert_eq!(receiver.await?, expected);
//! }
//! assert_eq!(tree.snapshot().children[0].live, Some(2));
//! tree.shutdown(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```

mod children;
mod spec;
mod uses;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, Message, SupervisionEvent};

use self::children::Children;
pub use self::spec::{DynamicSpec, Key};
use crate::board::Board;
use crate::event::EventKind;
use crate::exit::{LEFT_BEHIND_MAX, ended};
use crate::shutdown::{children_of, kill_all, stop_all};
use crate::{Health, Registry};

/// What a dynamic supervisor is told.
pub enum DynamicMessage<K, M> {
    /// Deliver to the child of this key, starting it if needed.
    Dispatch(K, M),
    /// Kill the child of this key as a crash would (from a chaos test).
    Kill(K),
    /// What the child of this key remembers does not hold any more: it ends behind the message it is
    /// at, and the next life begins at once. Its mailbox is gone, as after a crash; messages sent
    /// behind this one are for the next life. A key without a child has nothing to forget.
    Renew(K),
    /// A restart pause is over (sent by itself).
    Due(K, u64),
}

/// What outlives a life of the supervisor.
struct Shared<K, M> {
    spec: DynamicSpec<K, M>,
    registry: Registry,
    board: Board,
    health: Health,
    /// Every child that has not ended. A successor of a killed supervisor finds here who is left.
    alive: Mutex<BTreeMap<ActorId, ActorCell>>,
}

impl<K, M> Shared<K, M> {
    fn born(&self, child: ActorCell) {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.insert(child.get_id(), child);
    }

    fn ended(&self, id: ActorId) {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn take_alive(&self) -> Vec<ActorCell> {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *alive).into_values().collect()
    }
}

struct Dynamic<K, M>(std::marker::PhantomData<fn(K, M)>);

impl<K, M> Dynamic<K, M> {
    fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

type Myself<K, M> = ActorRef<DynamicMessage<K, M>>;

impl<K: Key, M: Message> Actor for Dynamic<K, M> {
    type Msg = DynamicMessage<K, M>;
    type State = Children<K, M>;
    type Arguments = Arc<Shared<K, M>>;

    async fn pre_start(
        &self,
        myself: Myself<K, M>,
        shared: Arc<Shared<K, M>>,
    ) -> Result<Children<K, M>, ActorProcessingErr> {
        // At most one child is alive per key, also across lives of this supervisor.
        kill_all(&shared.take_alive(), LEFT_BEHIND_MAX).await;
        shared.registry.register(shared.spec.path.clone(), &myself, Some(shared.health.clone()));
        shared.board.set_live(0);
        Ok(Children::new(shared))
    }

    async fn handle(
        &self,
        myself: Myself<K, M>,
        message: DynamicMessage<K, M>,
        children: &mut Children<K, M>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DynamicMessage::Dispatch(key, message) => {
                children.shared.health.taken();
                children.dispatch(&myself, key, message).await;
                children.shared.health.completed();
            }
            DynamicMessage::Kill(key) => {
                children.shared.health.taken();
                children.kill(&key);
            }
            DynamicMessage::Renew(key) => {
                children.shared.health.taken();
                children.renew(&myself, &key);
            }
            DynamicMessage::Due(key, generation) => {
                children.due(&myself, &key, generation).await;
            }
        }
        children.shared.board.set_live(children.live());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself<K, M>,
        event: SupervisionEvent,
        children: &mut Children<K, M>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some((id, exit)) = ended(event) {
            children.exited(&myself, id, exit).await;
        }
        children.shared.board.set_live(children.live());
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: Myself<K, M>,
        children: &mut Children<K, M>,
    ) -> Result<(), ActorProcessingErr> {
        let spec = &children.shared.spec;
        let undelivered = children.undelivered();
        if undelivered > 0 {
            spec.events.emit(&spec.path, "", EventKind::BacklogDropped(undelivered));
        }
        // All at once: ten thousand idle children must not take ten thousand turns.
        stop_all(&children_of(&myself.get_cell()), spec.shutdown).await;
        children.shared.board.set_live(0);
        Ok(())
    }
}
