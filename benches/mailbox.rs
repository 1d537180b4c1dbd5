//! What the actors cost: a cast by name, a message to one of many, a life, a death.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a bench that cannot go on has nothing to report"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use telson_supervision::dynamic::{DynamicMessage, DynamicSpec};
use telson_supervision::{
    Backoff, ChildSpec, Health, Registry, Strategy, SupervisorSpec, Tree, Via,
};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// Messages per sample: enough to hide the wake-up at either end.
const BATCH: u64 = 10_000;
/// Lives per sample.
const LIVES: u64 = 1_000;
const PATH: &str = "root/children";

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Counts what happens in actors, for somebody who waits outside.
#[derive(Clone, Default)]
struct Counter(Arc<Count>);

#[derive(Default)]
struct Count {
    number: AtomicU64,
    goal: AtomicU64,
    reached: Notify,
}

impl Counter {
    fn add(&self) {
        let number = self.0.number.fetch_add(1, Ordering::AcqRel) + 1;
        if number == self.0.goal.load(Ordering::Acquire) {
            self.0.reached.notify_one();
        }
    }

    /// Waits until `more` have been added since the call to `begin`.
    async fn wait_for(&self, more: u64, begin: impl FnOnce()) {
        let goal = self.0.number.load(Ordering::Acquire) + more;
        self.0.goal.store(goal, Ordering::Release);
        begin();
        self.0.reached.notified().await;
    }
}

/// Counts messages; told to leave, it drains itself.
struct Worker;

enum Told {
    Count,
    Leave,
}

struct Counters {
    started: Counter,
    handled: Counter,
    ended: Counter,
}

impl Actor for Worker {
    type Msg = Told;
    type State = Arc<Counters>;
    type Arguments = Arc<Counters>;

    async fn pre_start(
        &self,
        _: ActorRef<Told>,
        counters: Arc<Counters>,
    ) -> Result<Arc<Counters>, ActorProcessingErr> {
        counters.started.add();
        Ok(counters)
    }

    async fn handle(
        &self,
        myself: ActorRef<Told>,
        told: Told,
        counters: &mut Arc<Counters>,
    ) -> Result<(), ActorProcessingErr> {
        match told {
            Told::Count => counters.handled.add(),
            Told::Leave => myself.drain()?,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Told>,
        counters: &mut Arc<Counters>,
    ) -> Result<(), ActorProcessingErr> {
        counters.ended.add();
        Ok(())
    }
}

fn counters() -> Arc<Counters> {
    Arc::new(Counters {
        started: Counter::default(),
        handled: Counter::default(),
        ended: Counter::default(),
    })
}

/// A tree that restarts at once and never gives up.
async fn tree(child: ChildSpec) -> Tree {
    let mut spec =
        SupervisorSpec::new("root", Strategy::OneForOne, u32::MAX, Duration::from_millis(1));
    spec.backoff = Backoff::none();
    Tree::start(spec.child(child)).await.unwrap()
}

type Children = Via<DynamicMessage<u64, Told>>;

async fn dynamic(counters: &Arc<Counters>) -> (Tree, Children) {
    let (registry, counters) = (Registry::new(), counters.clone());
    let mut spec = DynamicSpec::new(PATH, move |_: u64, parent: ActorCell| {
        let counters = counters.clone();
        async move { Ok(Actor::spawn_linked(None, Worker, counters, parent).await?.0) }
    });
    spec.live_max = 20_000;
    spec.restarts_max = u32::MAX;
    spec.window = Duration::from_millis(1);
    spec.backoff = Backoff::none();
    let tree = tree(spec.into_child("children", registry.clone())).await;
    (tree, registry.via(PATH))
}

fn dispatch(children: &Children, key: u64, told: Told) {
    children.cast(DynamicMessage::Dispatch(key, told)).unwrap();
}

#[divan::bench]
fn cast_bare(bencher: Bencher<'_, '_>) {
    let (runtime, counters) = (runtime(), counters());
    let (actor, _) = runtime.block_on(Actor::spawn(None, Worker, counters.clone())).unwrap();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        runtime.block_on(counters.handled.wait_for(BATCH, || {
            for _ in 0..BATCH {
                actor.send_message(Told::Count).unwrap();
            }
        }));
    });
}

/// As above, but the target is looked up by name for every message, and its depth is counted.
#[divan::bench]
fn cast_by_name(bencher: Bencher<'_, '_>) {
    let (runtime, counters) = (runtime(), counters());
    let (actor, _) = runtime.block_on(Actor::spawn(None, Worker, counters.clone())).unwrap();
    let registry = Registry::new();
    registry.register("worker", &actor, Some(Health::new()));
    let worker: Via<Told> = registry.via("worker");
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        runtime.block_on(counters.handled.wait_for(BATCH, || {
            for _ in 0..BATCH {
                worker.cast(Told::Count).unwrap();
            }
        }));
    });
}

#[divan::bench(args = [1, 10_000])]
fn dispatch_to_live_children(bencher: Bencher<'_, '_>, keys: u64) {
    let (runtime, counters) = (runtime(), counters());
    let (_tree, children) = runtime.block_on(dynamic(&counters));
    let once_each = || (0..keys).for_each(|key| dispatch(&children, key, Told::Count));
    runtime.block_on(counters.handled.wait_for(keys, once_each));
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        runtime.block_on(counters.handled.wait_for(BATCH, || {
            (0..BATCH).for_each(|number| dispatch(&children, number % keys, Told::Count));
        }));
    });
}

/// A child is started by its first message, drains itself and ends.
#[divan::bench]
fn spawn_and_passivate(bencher: Bencher<'_, '_>) {
    let (runtime, counters) = (runtime(), counters());
    let (_tree, children) = runtime.block_on(dynamic(&counters));
    let mut key = 0;
    bencher.counter(ItemsCount::new(LIVES)).bench_local(|| {
        let first = key;
        key += LIVES;
        runtime.block_on(counters.ended.wait_for(LIVES, || {
            (first..key).for_each(|key| dispatch(&children, key, Told::Leave));
        }));
    });
}

/// From the kill of a listed child until its successor starts, without a pause between.
#[divan::bench]
fn restart_of_a_listed_child(bencher: Bencher<'_, '_>) {
    let (runtime, counters) = (runtime(), counters());
    let shared = counters.clone();
    let child = ChildSpec::new("worker", move |parent| {
        let counters = shared.clone();
        async move { Ok(Actor::spawn_linked(None, Worker, counters, parent).await?.0.get_cell()) }
    });
    let tree = runtime.block_on(tree(child));
    bencher.bench_local(|| {
        // Its place on the board is filled a moment after its start.
        runtime.block_on(counters.started.wait_for(1, || while !tree.kill("worker") {}));
    });
}

/// The same for a child by key.
#[divan::bench]
fn restart_of_a_child_by_key(bencher: Bencher<'_, '_>) {
    let (runtime, counters) = (runtime(), counters());
    let (_tree, children) = runtime.block_on(dynamic(&counters));
    runtime.block_on(counters.handled.wait_for(1, || dispatch(&children, 1, Told::Count)));
    bencher.bench_local(|| {
        runtime.block_on(counters.started.wait_for(1, || {
            children.cast(DynamicMessage::Kill(1)).unwrap();
        }));
    });
}
