//! The children of a dynamic supervisor: who is alive, who waits for what, and what follows an end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use ractor::{ActorId, ActorRef, ActorStatus, Message, MessagingErr};
use tokio::time::Instant;

use super::uses::Uses;
use super::{DynamicMessage, Key, Myself, Shared};
use crate::child_spec::start_failure;
use crate::event::EventKind;
use crate::exit::HEALTHY_AFTER;
use crate::{Decision, Exit, RestartIntensity, RestartPolicy, decide};

/// Entries a map keeps room for, however few it has.
const ROOM_KEPT: usize = 1024;

/// How a key is.
enum Life<M> {
    /// Takes messages.
    Live(ActorRef<M>),
    /// Has refused a message: it drains, and its key starts again behind it.
    Leaving,
    /// Was told to end, so that its key begins anew.
    Renewed(ActorRef<M>),
    /// Waits for its restart.
    Down,
    /// Was never started: there is no room.
    Waiting,
}

/// What is known of one key.
struct Slot<M> {
    life: Life<M>,
    backlog: VecDeque<M>,
    budget: RestartIntensity,
    attempt: u32,
    started: Instant,
    generation: u64,
    used: u64,
}

/// A dynamic supervisor's memory.
pub(super) struct Children<K, M> {
    pub(super) shared: Arc<Shared<K, M>>,
    origin: Instant,
    slots: BTreeMap<K, Slot<M>>,
    keys: HashMap<ActorId, K>,
    /// Keys that found no room, in the order of their first message.
    waiting: VecDeque<K>,
    uses: Uses<K>,
}

impl<M> Slot<M> {
    fn is_live(&self) -> bool {
        matches!(self.life, Life::Live(_))
    }
}

impl<K: Key, M: Message> Children<K, M> {
    /// None yet.
    pub(super) fn new(shared: Arc<Shared<K, M>>) -> Self {
        Self {
            shared,
            origin: Instant::now(),
            slots: BTreeMap::new(),
            keys: HashMap::new(),
            waiting: VecDeque::new(),
            uses: Uses::new(),
        }
    }

    /// Children that run.
    pub(super) fn live(&self) -> usize {
        self.keys.len()
    }

    /// Messages that wait for a child.
    pub(super) fn undelivered(&self) -> usize {
        self.slots.values().map(|slot| slot.backlog.len()).sum()
    }

    pub(super) fn kill(&self, key: &K) {
        if let Some(Slot { life: Life::Live(child), .. }) = self.slots.get(key) {
            child.get_cell().kill();
        }
    }

    /// Ends the child of a key in order, for another life.
    pub(super) fn renew(&mut self, myself: &Myself<K, M>, key: &K) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let Life::Live(child) = &slot.life else { return };
        let child = child.clone();
        child.stop(None);
        slot.life = Life::Renewed(child);
        slot.generation += 1;
        // It may be at a message that never ends.
        let (key, generation) = (key.clone(), slot.generation);
        myself.send_after(self.shared.spec.shutdown.stop, move || {
            DynamicMessage::Due(key, generation)
        });
    }

    /// The time of a key is over, if nothing else has happened to it since.
    pub(super) async fn due(&mut self, myself: &Myself<K, M>, key: &K, generation: u64) {
        let Some(slot) = self.slots.get(key).filter(|slot| slot.generation == generation) else {
            return;
        };
        match &slot.life {
            Life::Renewed(child) => child.get_cell().kill(),
            _ => self.start(myself, key).await,
        }
    }

    pub(super) async fn dispatch(&mut self, myself: &Myself<K, M>, key: K, message: M) {
        self.uses.count();
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
            used: self.uses.now(),
        }
    }

    /// Sends to a live child; gives the message back if there is none or it is leaving.
    fn send(&mut self, key: &K, message: M) -> Option<M> {
        let slot = self.slots.get_mut(key)?;
        slot.used = self.uses.now();
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
            slot.used = self.uses.now();
        }
    }

    /// The live child that was used longest ago.
    fn least_recently_used(&mut self) -> Option<K> {
        let slots = &self.slots;
        let last_use = |key: &K| slots.get(key).filter(|slot| slot.is_live()).map(|slot| slot.used);
        let live = || slots.iter().filter(|(_, slot)| slot.is_live());
        self.uses.oldest(last_use, || live().map(|(key, slot)| (slot.used, key)))
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

    pub(super) async fn exited(&mut self, myself: &Myself<K, M>, id: ActorId, exit: Exit) {
        self.shared.ended(id);
        let Some(key) = self.keys.remove(&id) else { return };
        let life = self.slots.get(&key).map(|slot| &slot.life);
        if matches!(life, Some(Life::Renewed(_))) {
            // However it went: its end was asked for. It may have left messages that are durable.
            self.start(myself, &key).await;
        } else if exit.is_abnormal() {
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
