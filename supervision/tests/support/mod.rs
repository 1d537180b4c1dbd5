//! Actors that do as they are told, and a log of what became of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]
#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part")]

pub mod keyed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use telson_supervision::{
    Backoff, ChildSpec, Dice, Event, EventKind, Events, Health, Node, OnExceeded, Registry,
    Strategy, SupervisorSpec, Tree, Via,
};
use tokio::sync::broadcast::Receiver;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_mins(1);
/// Longer than anything a test waits for on the paused clock.
const PATIENCE: Duration = Duration::from_hours(24);

/// What a worker is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Complete a unit of work with this number.
    Work(u32),
    /// The same, after a while.
    Slow(Duration, u32),
    /// Never come back.
    Hang,
    /// Return an error.
    Fail,
    /// Panic.
    Panic,
    /// Stop without being asked by the supervisor.
    Stop,
    /// Finish the queue, then stop.
    Drain,
}

/// Everything the workers of one test share.
#[derive(Clone, Default)]
pub struct Stage {
    lines: Arc<Mutex<Vec<String>>>,
    refusals: Arc<Mutex<HashMap<String, u32>>>,
    post_stop: Arc<Mutex<HashMap<String, Duration>>>,
    pub registry: Registry,
    pub events: Events,
}

impl Stage {
    pub fn new() -> Self {
        Self::default()
    }

    /// A supervisor without pauses between restarts that tells this stage's events.
    pub fn branch(&self, path: &str, strategy: Strategy, restarts_max: u32) -> SupervisorSpec {
        let mut spec = SupervisorSpec::new(path, strategy, restarts_max, MINUTE);
        spec.backoff = Backoff::none();
        spec.events = self.events.clone();
        spec.dice = Dice::seeded(7);
        spec
    }

    /// The same, but half-open with this pause.
    pub fn half_open(&self, path: &str, restarts_max: u32, pause: Duration) -> SupervisorSpec {
        let mut spec = self.branch(path, Strategy::OneForOne, restarts_max);
        spec.on_exceeded = OnExceeded::HalfOpen(pause);
        spec
    }

    pub fn worker(&self, id: &str) -> ChildSpec {
        let health = Health::new();
        let worker = Worker { id: id.to_owned(), stage: self.clone(), health: health.clone() };
        ChildSpec::new(id, move |parent: ActorCell| {
            let worker = worker.clone();
            async move { Ok(Actor::spawn_linked(None, worker, (), parent).await?.0.get_cell()) }
        })
        .health(health)
    }

    /// Lets the next `times` starts of this worker fail.
    pub fn refuse_starts(&self, id: &str, times: u32) {
        self.refusals.lock().unwrap().insert(id.to_owned(), times);
    }

    /// Lets this worker take its time after it was stopped.
    pub fn stop_slowly(&self, id: &str, time: Duration) {
        self.post_stop.lock().unwrap().insert(id.to_owned(), time);
    }

    pub fn via(&self, id: &str) -> Via<Order> {
        self.registry.via(id)
    }

    pub fn order(&self, id: &str, order: Order) {
        self.via(id).cast(order).unwrap();
    }

    /// What happened since the last look: `+a` a started, `!a` a refused to start, `-a` a stopped
    /// in order, `a1` a did work number 1.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    /// How often `line` is in the log.
    pub fn count(&self, line: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|logged| *logged == line).count()
    }

    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn refuses(&self, id: &str) -> bool {
        let mut refusals = self.refusals.lock().unwrap();
        let left = refusals.entry(id.to_owned()).or_default();
        let refuses = *left > 0;
        *left = left.saturating_sub(1);
        refuses
    }
}

#[derive(Clone)]
struct Worker {
    id: String,
    stage: Stage,
    health: Health,
}

impl Actor for Worker {
    type Msg = Order;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Order>, (): ()) -> Result<(), ActorProcessingErr> {
        if self.stage.refuses(&self.id) {
            self.stage.note(format!("!{}", self.id));
            return Err("refused to start".into());
        }
        self.stage.registry.register(self.id.as_str(), &myself, Some(self.health.clone()));
        self.stage.note(format!("+{}", self.id));
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Order>,
        order: Order,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        self.health.taken();
        match order {
            Order::Work(number) => self.work(number),
            Order::Slow(time, number) => {
                tokio::time::sleep(time).await;
                self.work(number);
            }
            Order::Hang => std::future::pending().await,
            Order::Fail => return Err("boom".into()),
            Order::Panic => panic!("bang"),
            Order::Stop => myself.stop(None),
            Order::Drain => myself.drain()?,
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Order>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let time = self.stage.post_stop.lock().unwrap().get(&self.id).copied();
        if let Some(time) = time {
            tokio::time::sleep(time).await;
        }
        self.stage.note(format!("-{}", self.id));
        Ok(())
    }
}

impl Worker {
    fn work(&self, number: u32) {
        self.stage.note(format!("{}{number}", self.id));
        self.health.completed();
    }
}

pub async fn start(spec: SupervisorSpec) -> Tree {
    Tree::start(spec).await.unwrap()
}

/// Lets virtual time go by: on the paused clock this returns after everything that is due within.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits for the next event about `path` that fits.
pub async fn event(
    events: &mut Receiver<Event>,
    path: &str,
    fits: impl Fn(&EventKind) -> bool,
) -> EventKind {
    let next = async {
        loop {
            let event = events.recv().await.unwrap();
            if event.path == path && fits(&event.kind) {
                return event.kind;
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no such event on {path}"))
}

/// The events so far, as `path kind` with the kind's name only.
pub fn event_names(events: &mut Receiver<Event>) -> Vec<String> {
    std::iter::from_fn(|| events.try_recv().ok())
        .map(|event| {
            let kind = format!("{:?}", event.kind);
            let name = kind.split('(').next().unwrap_or_default().to_owned();
            format!("{} {name}", event.path)
        })
        .collect()
}

/// The node at `path` below `root`, by child ids without slashes.
pub fn node<'a>(root: &'a Node, path: &str) -> &'a Node {
    path.split('/').fold(root, |node, id| {
        node.children.iter().find(|child| child.id == id).unwrap_or_else(|| panic!("no {id}"))
    })
}
