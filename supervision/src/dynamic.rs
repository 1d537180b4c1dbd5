//! Children by key: started by the first message for their key, passivated when idle.
//!
//! The owner of the map is the only one who starts or addresses a child, so at most one child is
//! alive per key. A child that wants to leave drains itself: what was sent before is handled, what
//! is sent later comes back to the owner, who waits for the end and starts the key again with it.
//! After a crash the child is restarted (its mailbox is gone; whoever needs its content must have
//! made it durable before). A key that spends its restart budget rests and is tried again later.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{
    Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, ActorStatus, Message, MessagingErr,
    SpawnErr, SupervisionEvent,
};
use tokio::time::Instant;

use crate::board::{Board, NodeKind};
use crate::child_spec::start_failure;
use crate::event::EventKind;
use crate::shutdown::{children_of, kill_all, stop_all};
use crate::{
    Backoff, ChildSpec, Decision, Dice, Events, Exit, Health, Registry, RestartIntensity,
    RestartPolicy, Shutdown, decide,
};

/// A child that has run this long starts its back-off anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// Time for what a killed predecessor left behind to end.
const LEFT_BEHIND_MAX: Duration = Duration::from_secs(1);

/// Children found unused by one look over all of them.
const STALE_MAX: usize = 256;

/// Entries a map keeps room for, however few it has.
const ROOM_KEPT: usize = 1024;

type StartFuture<M> = Pin<Box<dyn Future<Output = Result<ActorRef<M>, SpawnErr>> + Send>>;
type Start<K, M> = Arc<dyn Fn(K, ActorCell) -> StartFuture<M> + Send + Sync>;

/// A key of a dynamic child. Keys have an order, so that what is done to all of them is done in the
/// same order in every run.
pub trait Key: Clone + Ord + fmt::Display + Send + Sync + 'static {}
impl<K: Clone + Ord + fmt::Display + Send + Sync + 'static> Key for K {}

/// How the children of a dynamic supervisor are started and limited.
pub struct DynamicSpec<K, M> {
    /// Path from the root, also the name under which the supervisor registers.
    pub path: String,
    /// Starts the child of a key, linked to the given cell. It should return at once: long work
    /// (loading state) belongs into the child's `post_start`.
    pub start: Start<K, M>,
    /// Most keys with a child, counting those that wait for a restart. Beyond it messages for
    /// further keys wait until one leaves.
    pub live_max: usize,
    /// Most messages that wait for one child that is restarting, leaving or without room; beyond
    /// it the oldest is dropped, with an event.
    pub backlog_max: usize,
    /// Restarts allowed per key and window.
    pub restarts_max: u32,
    /// The window.
    pub window: Duration,
    /// The pause of a key that spent its budget.
    pub rest: Duration,
    /// Pauses between restarts.
    pub backoff: Backoff,
    /// Time for all children together to drain at shutdown.
    pub shutdown: Shutdown,
    /// Tells a child that its place is wanted; it may drain itself if it is idle.
    pub make_room: Option<Arc<dyn Fn() -> M + Send + Sync>>,
    /// Where events go.
    pub events: Events,
    /// Jitter.
    pub dice: Dice,
}

impl<K: Key, M: Message> DynamicSpec<K, M> {
    /// Children started by `start`, with budgets fit for thousands of small actors.
    pub fn new<F, Fut>(path: impl Into<String>, start: F) -> Self
    where
        F: Fn(K, ActorCell) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ActorRef<M>, SpawnErr>> + Send + 'static,
    {
        Self {
            path: path.into(),
            start: Arc::new(move |key, parent| Box::pin(start(key, parent))),
            live_max: 10_000,
            backlog_max: 1_000,
            restarts_max: 5,
            window: Duration::from_mins(1),
            rest: Duration::from_secs(30),
            backoff: Backoff::new(Duration::from_millis(10), Duration::from_secs(5), 0.2),
            shutdown: Shutdown { drain: Duration::from_secs(10), stop: Duration::from_secs(1) },
            make_room: None,
            events: Events::new(),
            dice: Dice::random(),
        }
    }

    /// This supervisor as a child of a static one; it answers in `registry` to its path.
    pub fn into_child(self, id: &str, registry: Registry) -> ChildSpec {
        let board = Board::new(NodeKind::Dynamic);
        let health = Health::new();
        let shutdown = Shutdown {
            drain: self.shutdown.drain + Duration::from_secs(1),
            stop: self.shutdown.stop + self.shutdown.drain,
        };
        let shared = Arc::new(Shared {
            spec: self,
            registry,
            board: board.clone(),
            health: health.clone(),
            alive: Mutex::default(),
        });
        ChildSpec::actor(id, move || (Dynamic::new(), shared.clone()))
            .shutdown(shutdown)
            .health(health)
            .with_board(board)
    }
}

/// What a dynamic supervisor is told.
pub enum DynamicMessage<K, M> {
    /// Deliver to the child of this key, starting it if needed.
    Dispatch(K, M),
    /// Kill the child of this key as a crash would (from a chaos test).
    Kill(K),
    /// A restart pause is over (sent by itself).
    Due(K, u64),
}

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

enum Life<M> {
    /// Takes messages.
    Live(ActorRef<M>),
    /// Has refused a message: it drains, and its key starts again behind it.
    Leaving,
    /// Waits for its restart.
    Down,
    /// Was never started: there is no room.
    Waiting,
}

struct Slot<M> {
    life: Life<M>,
    backlog: VecDeque<M>,
    budget: RestartIntensity,
    attempt: u32,
    started: Instant,
    generation: u64,
    used: u64,
}

struct Children<K, M> {
    shared: Arc<Shared<K, M>>,
    origin: Instant,
    slots: BTreeMap<K, Slot<M>>,
    keys: HashMap<ActorId, K>,
    /// Keys that found no room, in the order of their first message.
    waiting: VecDeque<K>,
    /// Children that have been unused for longest, as one look over all has found them: the next
    /// to be asked for room, if they were not used since.
    stale: VecDeque<(K, u64)>,
    uses: u64,
}

impl<M> Slot<M> {
    fn is_live(&self) -> bool {
        matches!(self.life, Life::Live(_))
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
        Ok(Children {
            shared,
            origin: Instant::now(),
            slots: BTreeMap::new(),
            keys: HashMap::new(),
            waiting: VecDeque::new(),
            stale: VecDeque::new(),
            uses: 0,
        })
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
                if let Some(Slot { life: Life::Live(child), .. }) = children.slots.get(&key) {
                    child.get_cell().kill();
                }
            }
            DynamicMessage::Due(key, generation) => {
                if children.slots.get(&key).is_some_and(|slot| slot.generation == generation) {
                    children.start(&myself, &key).await;
                }
            }
        }
        children.shared.board.set_live(children.keys.len());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: Myself<K, M>,
        event: SupervisionEvent,
        children: &mut Children<K, M>,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, state, reason) => {
                // What the old life holds must be free before the next one begins.
                drop(state);
                let exit =
                    if reason.as_deref() == Some("killed") { Exit::Killed } else { Exit::Normal };
                children.exited(&myself, cell.get_id(), exit).await;
            }
            SupervisionEvent::ActorFailed(cell, error) => {
                let exit = Exit::Failed(error.to_string());
                children.exited(&myself, cell.get_id(), exit).await;
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        children.shared.board.set_live(children.keys.len());
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: Myself<K, M>,
        children: &mut Children<K, M>,
    ) -> Result<(), ActorProcessingErr> {
        let spec = &children.shared.spec;
        let undelivered: usize = children.slots.values().map(|slot| slot.backlog.len()).sum();
        if undelivered > 0 {
            spec.events.emit(&spec.path, "", EventKind::BacklogDropped(undelivered));
        }
        // All at once: ten thousand idle children must not take ten thousand turns.
        stop_all(&children_of(&myself.get_cell()), spec.shutdown).await;
        children.shared.board.set_live(0);
        Ok(())
    }
}

impl<K: Key, M: Message> Children<K, M> {
    async fn dispatch(&mut self, myself: &Myself<K, M>, key: K, message: M) {
        self.uses += 1;
        let is_new = !self.slots.contains_key(&key);
        if is_new {
            self.slots.insert(key.clone(), self.new_slot());
            self.waiting.push_back(key.clone());
        }
        if let Some(message) = self.send(&key, message) {
            self.push_backlog(&key, message);
        }
        if is_new {
            self.admit_waiting(myself).await;
        }
        if self.slots.get(&key).is_some_and(|slot| matches!(slot.life, Life::Waiting)) {
            self.ask_for_room();
        }
    }

    /// Keys that have or had a child, in whatever state.
    fn occupied(&self) -> usize {
        self.slots.len() - self.waiting.len()
    }

    fn new_slot(&self) -> Slot<M> {
        Slot {
            life: Life::Waiting,
            backlog: VecDeque::new(),
            budget: RestartIntensity::new(self.shared.spec.restarts_max, self.shared.spec.window),
            attempt: 0,
            started: Instant::now(),
            generation: 0,
            used: self.uses,
        }
    }

    /// Sends to a live child; gives the message back if there is none or it is leaving.
    fn send(&mut self, key: &K, message: M) -> Option<M> {
        let slot = self.slots.get_mut(key)?;
        slot.used = self.uses;
        let Life::Live(child) = &slot.life else {
            return Some(message);
        };
        match child.send_message(message) {
            // The last two need a wrong message type, which this map does not hold.
            Ok(()) | Err(MessagingErr::ChannelClosed | MessagingErr::InvalidActorType) => None,
            Err(MessagingErr::SendErr(message)) => {
                slot.life = Life::Leaving;
                Some(message)
            }
        }
    }

    fn push_backlog(&mut self, key: &K, message: M) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.backlog.push_back(message);
        if slot.backlog.len() > self.shared.spec.backlog_max {
            slot.backlog.pop_front();
            let spec = &self.shared.spec;
            spec.events.emit(&spec.path, &key.to_string(), EventKind::BacklogDropped(1));
        }
    }

    /// Asks the least recently used child to leave, if somebody waits for its place.
    fn ask_for_room(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(make_room) = self.shared.spec.make_room.clone() else { return };
        if let Some(key) = self.least_recently_used()
            && let Some(slot) = self.slots.get_mut(&key)
            && let Life::Live(child) = &slot.life
        {
            // A child that ends in this moment makes room as well.
            drop(child.send_message(make_room()));
            // It may be busy: whoever waits next asks another.
            slot.used = self.uses;
        }
    }

    /// The live child that was used longest ago.
    fn least_recently_used(&mut self) -> Option<K> {
        loop {
            while let Some((key, used)) = self.stale.pop_front() {
                let slot = self.slots.get(&key);
                if slot.is_some_and(|slot| slot.used == used && slot.is_live()) {
                    return Some(key);
                }
            }
            self.find_stale();
            if self.stale.is_empty() {
                return None;
            }
        }
    }

    /// One look over all children is good for many requests: with thousands of children, a look
    /// for each would cost more than the work they do.
    fn find_stale(&mut self) {
        let live = self.slots.iter().filter(|(_, slot)| slot.is_live());
        let mut by_use: Vec<(u64, &K)> = live.map(|(key, slot)| (slot.used, key)).collect();
        if by_use.len() > STALE_MAX {
            by_use.select_nth_unstable_by_key(STALE_MAX, |(used, _)| *used);
            by_use.truncate(STALE_MAX);
        }
        by_use.sort_unstable_by_key(|(used, _)| *used);
        self.stale = by_use.into_iter().map(|(used, key)| (key.clone(), used)).collect();
    }

    async fn start(&mut self, myself: &Myself<K, M>, key: &K) {
        // ractor lets nobody link to an actor that drains.
        if myself.get_status() >= ActorStatus::Draining {
            return;
        }
        let started = (self.shared.spec.start)(key.clone(), myself.get_cell()).await;
        match started {
            Ok(child) => {
                self.keys.insert(child.get_id(), key.clone());
                self.shared.born(child.get_cell());
                let Some(slot) = self.slots.get_mut(key) else { return };
                slot.life = Life::Live(child);
                slot.started = Instant::now();
                slot.generation += 1;
                let backlog = std::mem::take(&mut slot.backlog);
                for message in backlog {
                    if let Some(message) = self.send(key, message) {
                        self.push_backlog(key, message);
                    }
                }
            }
            Err(error) => self.failed(myself, key, &Exit::Failed(start_failure(error))),
        }
    }

    async fn exited(&mut self, myself: &Myself<K, M>, id: ActorId, exit: Exit) {
        self.shared.ended(id);
        let Some(key) = self.keys.remove(&id) else { return };
        if exit.is_abnormal() {
            if let Some(slot) = self.slots.get_mut(&key)
                && slot.started.elapsed() >= HEALTHY_AFTER
            {
                slot.attempt = 0;
            }
            self.failed(myself, &key, &exit);
        } else if self.slots.get(&key).is_some_and(|slot| !slot.backlog.is_empty()) {
            self.start(myself, &key).await;
        } else {
            self.slots.remove(&key);
            give_back(&mut self.keys);
        }
        self.admit_waiting(myself).await;
        // Its place may be taken back, or fewer have left than keys wait.
        self.ask_for_room();
    }

    async fn admit_waiting(&mut self, myself: &Myself<K, M>) {
        while self.occupied() < self.shared.spec.live_max {
            let Some(key) = self.waiting.pop_front() else { return };
            self.start(myself, &key).await;
        }
    }

    /// Schedules the restart of a key after an abnormal end or a start that failed.
    fn failed(&mut self, myself: &Myself<K, M>, key: &K, exit: &Exit) {
        let now = self.origin.elapsed();
        let spec = &self.shared.spec;
        spec.events.emit(&spec.path, &key.to_string(), EventKind::Exited(exit.to_string()));
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.life = Life::Down;
        slot.generation += 1;
        let decision = decide(
            exit,
            RestartPolicy::Transient,
            &mut slot.budget,
            &spec.backoff,
            slot.attempt,
            now,
            spec.dice.roll(),
        );
        let (pause, event) = match decision {
            Decision::Restart(pause) => {
                slot.attempt = slot.attempt.saturating_add(1);
                (pause, EventKind::Restarting(pause))
            }
            Decision::GiveUp | Decision::Forget => {
                slot.attempt = 0;
                (spec.rest, EventKind::Tripped(spec.rest))
            }
        };
        spec.events.emit(&spec.path, &key.to_string(), event);
        let (key, generation) = (key.clone(), slot.generation);
        myself.send_after(pause, move || DynamicMessage::Due(key, generation));
    }
}

/// After a rush most children leave, and the room of a map they were in would stay.
fn give_back<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > ROOM_KEPT && map.len() < map.capacity() / 8 {
        map.shrink_to(ROOM_KEPT.max(map.len() * 2));
    }
}
