//! What crashes at once and for ever costs next to nothing, is tried again now and then, and
//! leaves its neighbours alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};
use telson::supervision::{EventKind, NodeState};
use telson::{Engine, Limits};
use telson_actors::channel::Receiver;
use telson_actors::message::AccountKey;
use telson_actors::router::Admissions;
use telson_actors::store::MemoryBackend;
use tokio::time::Instant;

use crate::model::{Does, Model, asking, reasons, within};
use crate::support::{Platform, builder, direct, open_access};

/// A receiver that is up and gone at once.
#[derive(Default)]
struct Doomed(AtomicUsize);

impl Receiver for Doomed {
    fn run(&self, _: Admissions) -> BoxFuture<'static, ()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { panic!("the receiver panics at once") })
    }
}

/// The processor time of this thread, which runs the whole engine of its test.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

const BROKEN: usize = 5;

/// Five accounts that crash at every start, beside one that is well.
async fn stormy(platform: &Platform, rest: Duration) -> (Engine, Vec<Arc<Doomed>>) {
    let limits = Limits { account_rest: rest, ..Limits::default() };
    let doomed: Vec<Arc<Doomed>> = (0..BROKEN).map(|_| Arc::default()).collect();
    let mut builder = builder(platform).limits(limits).backend(Arc::new(MemoryBackend::new()));
    for (number, receiver) in doomed.iter().enumerate() {
        let broken = AccountKey::new("broken", number.to_string());
        let channel = Arc::new(Platform::new());
        builder = builder.channel(broken, channel, Some(receiver.clone()), open_access());
    }
    (builder.start().await.unwrap(), doomed)
}

// V1: in real time, because processor time is what counts. Five seconds are where the restarts
// are densest: their pauses grow.
#[tokio::test]
async fn a_restart_storm_costs_less_than_a_twentieth_of_a_processor() {
    let platform = Platform::new();
    let (began, cpu) = (Instant::now(), cpu_time());
    let (engine, doomed) = stormy(&platform, Duration::from_millis(500)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (elapsed, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu));
    let starts: usize = doomed.iter().map(|receiver| receiver.0.load(Ordering::SeqCst)).sum();
    assert!(starts >= BROKEN * 4, "it storms: {starts} starts");
    assert!(cpu * 20 < elapsed, "{cpu:?} of {elapsed:?} for {starts} starts");
    engine.shutdown(Duration::from_secs(1)).await;
}

// V1, V3: the budget is spent, the branch rests and is tried again, and the neighbour serves.
#[tokio::test(start_paused = true)]
async fn a_broken_account_trips_and_is_tried_again() {
    let platform = Platform::new();
    let rest = Duration::from_secs(30);
    let (engine, doomed) = stormy(&platform, rest).await;
    let mut events = engine.supervision_events();
    for number in 0..600 {
        engine.inject(direct(&number.to_string(), "anna", &format!("<{number}>"))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answered = platform.sent().len();
        assert_eq!(answered, number + 1, "the neighbour is answered at once, all the time");
    }
    let mut tripped = 0;
    while let Ok(event) = events.try_recv() {
        tripped += usize::from(matches!(event.kind, EventKind::Tripped(pause) if pause == rest));
    }
    // The first budget lasts a good half minute; then there is one try every thirty seconds.
    assert!((BROKEN * 15..=BROKEN * 21).contains(&tripped), "tripped {tripped} times");
    for receiver in doomed {
        let starts = receiver.0.load(Ordering::SeqCst);
        assert!((25..=45).contains(&starts), "{starts} starts in ten minutes");
    }
    let edge = &engine.tree().children[1];
    let states: Vec<NodeState> = edge.children.iter().map(|branch| branch.state).collect();
    assert!(states.iter().all(|state| *state == NodeState::Running), "{states:?}");
    assert_eq!(engine.tree().restarts, 0);
    engine.shutdown(Duration::from_secs(1)).await;
}

// V1: a provider whose client crashes over every call is no storm: each message ends visibly, and
// agents of other providers never notice.
#[tokio::test(start_paused = true)]
async fn a_provider_that_crashes_over_every_call() {
    let platform = Platform::new();
    let model = Model::new(|_| (Duration::ZERO, Does::Panics));
    let backend = Arc::new(MemoryBackend::new());
    let engine = asking(builder(&platform), &model).backend(backend).start().await.unwrap();
    for number in 0..50 {
        let (id, person) = (number.to_string(), format!("person{number}"));
        engine.inject(direct(&id, &person, "hello")).await.unwrap();
    }
    within(Duration::from_secs(5), "each ends", || engine.load().is_idle()).await;
    assert_eq!(reasons(&engine), ["provider"; 50]);
    assert_eq!(platform.sent().len(), 50, "everybody is told");
    assert_eq!(model.asked().len(), 50, "no call is repeated");
    let providers = &engine.tree().children[0].children[1];
    assert!(providers.children.iter().all(|provider| provider.restarts == 0));
    engine.shutdown(Duration::from_secs(1)).await;
}

// V1: a provider's actor that is killed again and again comes back until its budget is spent; then
// the failure goes up, the core starts afresh, and what was admitted is answered.
#[tokio::test(start_paused = true)]
async fn a_provider_killed_without_end_loses_nothing() {
    let platform = Platform::new();
    let model = Model::echo(Duration::from_secs(2));
    let backend = Arc::new(MemoryBackend::new());
    let engine = asking(builder(&platform), &model).backend(backend).start().await.unwrap();
    for number in 0..10 {
        let (id, person) = (number.to_string(), format!("person{number}"));
        engine.inject(direct(&id, &person, &format!("<{number}>"))).await.unwrap();
    }
    for _ in 0..60 {
        engine.kill_actor("core/providers/model");
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    within(Duration::from_mins(2), "all answers", || engine.load().is_idle()).await;
    let all: String = platform.sent().into_iter().map(|(_, text)| text).collect();
    assert!((0..10).all(|number| all.matches(&format!("<{number}>")).count() == 1), "{all}");
    engine.shutdown(Duration::from_secs(1)).await;
}
