//! An engine that becomes quiet for a while: nothing begins, nothing is lost, and it goes on by itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers fail their test and say why")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Behaviour, Platform, builder, direct, idle};
use telson::Engine;
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::router::AdmitError;
use telson_actors::store::{Backend, MemoryBackend};
use telson_actors::suspension::lease::{LEASE_MAX, Wish};
use telson_actors::suspension::{Phase, Prepared, Refused, Standing};
use telson_supervision::Dice;

/// Somebody who asks for quiet, and waits for it or not.
fn wish(request: &str, drains: bool) -> Wish {
    Wish { request: request.into(), ends_terminals: false, drains }
}

/// The name of the lease that comes with quiet.
async fn quiet(engine: &Engine) -> String {
    match engine.suspension().prepare(wish("quiet", false)).await.unwrap() {
        Prepared::Ready(lease) => lease.id,
        other => panic!("nothing is under way: {other:?}"),
    }
}

async fn start(platform: &Platform, backend: &Arc<MemoryBackend>, clock: Clock) -> Engine {
    let backend: Arc<dyn Backend> = backend.clone();
    let builder = builder(platform).backend(backend).determined_by(clock, Dice::seeded(1));
    builder.start().await.unwrap()
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_secs(5)).await;
}

fn clock() -> Clock {
    Clock::virtual_from(Timestamp(1_700_000_000_000))
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_gives_back_ends_by_itself() {
    let (platform, backend) = (Platform::new(), Arc::default());
    let engine = start(&platform, &backend, clock()).await;
    let id = quiet(&engine).await;
    assert_eq!(engine.suspension().phase(), Phase::Prepared);
    let offered = engine.inject(direct("1", "anna", "hello")).await;
    assert!(matches!(offered, Err(AdmitError::Suspended)), "{offered:?}");
    // A renewal lasts from its own moment on.
    tokio::time::sleep(LEASE_MAX.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(quiet(&engine).await, id, "the same words, the same lease");
    tokio::time::sleep(LEASE_MAX.saturating_sub(Duration::from_secs(1))).await;
    assert!(engine.inject(direct("1", "anna", "hello")).await.is_err());
    let begun = tokio::time::Instant::now();
    engine.suspension().over().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(engine.suspension().resume(id).await.unwrap(), Ok(false));
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: hello"]);
    stop(engine).await;
}

// A machine that slept through the lease finds it over, and does not wait for a timer of before.
#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_through_its_lease_goes_on() {
    let (platform, backend, clock) = (Platform::new(), Arc::default(), clock());
    let engine = start(&platform, &backend, clock).await;
    quiet(&engine).await;
    clock.sleep(LEASE_MAX);
    let begun = tokio::time::Instant::now();
    engine.suspension().over().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    stop(engine).await;
}

// A clock that is set back makes no lease longer.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_lease_longer() {
    let (platform, backend, clock) = (Platform::new(), Arc::default(), clock());
    let engine = start(&platform, &backend, clock).await;
    quiet(&engine).await;
    clock.step(-3_600_000);
    tokio::time::timeout(LEASE_MAX * 2, engine.suspension().over()).await.expect("it ends");
    stop(engine).await;
}

// D2, D3: what waits for another attempt waits on, and is sent once.
#[tokio::test(start_paused = true)]
async fn a_reply_at_rest_waits_through_a_suspension_and_goes_out_once() {
    let (platform, backend) = (Platform::new(), Arc::default());
    platform.script([Behaviour::Refuse; 4]);
    let engine = start(&platform, &backend, clock()).await;
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    // Between two attempts there is quiet.
    let id = loop {
        match engine.suspension().prepare(wish("quiet", false)).await.unwrap() {
            Prepared::Ready(lease) => break lease.id,
            Prepared::Busy(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Prepared::Draining(..) => panic!("nobody asked to wait"),
        }
    };
    assert_eq!(engine.load().undelivered, 1);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(quiet(&engine).await, id);
        assert_eq!(platform.sent(), [], "an attempt would have gone well by now");
    }
    assert_eq!(engine.suspension().resume(id.clone()).await.unwrap(), Ok(true));
    assert_eq!(engine.suspension().resume(id).await.unwrap(), Ok(false));
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: hello"]);
    stop(engine).await;
}

// The same when the process dies in the middle: the next life knows of no lease.
#[tokio::test(start_paused = true)]
async fn a_life_that_ends_while_it_is_quiet_is_followed_by_one_that_goes_on() {
    let (platform, backend) = (Platform::new(), Arc::default());
    platform.script([Behaviour::Refuse; 4]);
    let engine = start(&platform, &backend, clock()).await;
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    let draining = engine.suspension().prepare(wish("d", true)).await.unwrap();
    let id = match draining {
        Prepared::Draining(lease, _) | Prepared::Ready(lease) => lease.id,
        Prepared::Busy(blockers) => panic!("it was asked to wait: {blockers:?}"),
    };
    let ready = async {
        while !matches!(
            engine.suspension().status(id.clone()).await.unwrap(),
            Ok(Standing::Ready(_))
        ) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ready).await.expect("it becomes quiet");
    assert_eq!(engine.load().undelivered, 1);
    stop(engine).await;
    let engine = start(&platform, &backend, clock()).await;
    assert_eq!(engine.suspension().phase(), Phase::Accepting);
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: hello"]);
    engine.inject(direct("2", "anna", "again")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: hello", "echo: again"]);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_crashes_takes_its_lease_along_and_all_goes_on() {
    let (platform, backend) = (Platform::new(), Arc::default());
    let engine = start(&platform, &backend, clock()).await;
    quiet(&engine).await;
    assert!(engine.kill_actor("core/suspension"));
    tokio::time::timeout(Duration::from_secs(30), engine.suspension().over()).await.unwrap();
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: hello"]);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn one_lease_at_a_time_and_none_at_the_end() {
    let (platform, backend) = (Platform::new(), Arc::default());
    let engine = start(&platform, &backend, clock()).await;
    let id = quiet(&engine).await;
    for other in [wish("other", false), wish("quiet", true)] {
        let refused = engine.suspension().prepare(other).await;
        assert!(matches!(refused, Err(Refused::Taken(rest)) if rest <= LEASE_MAX), "{refused:?}");
    }
    assert!(engine.suspension().status("another".into()).await.unwrap().is_err());
    assert!(engine.suspension().resume("another".into()).await.unwrap().is_err());
    assert_eq!(engine.suspension().resume(id).await.unwrap(), Ok(true));
    assert!(engine.drain(Duration::from_secs(5)).await);
    let refused = engine.suspension().prepare(wish("late", false)).await;
    assert!(matches!(refused, Err(Refused::Ending)), "{refused:?}");
    stop(engine).await;
}

// D3: the attempt of an account that is stopped ends, and says so to nobody.
#[tokio::test(start_paused = true)]
async fn an_account_that_was_stopped_while_it_sent_keeps_nobody_from_quiet() {
    let (platform, backend) = (Platform::new(), Arc::default());
    platform.delay(Duration::from_millis(500));
    platform.script([Behaviour::AcceptInDoubt]);
    let engine = start(&platform, &backend, clock()).await;
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    while engine.load().undelivered == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let sending = engine.suspension().prepare(wish("now", false)).await.unwrap();
    assert!(matches!(sending, Prepared::Busy(_)), "{sending:?}");
    assert!(engine.hold_actor("edge/fake/default", true));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(engine.load().undelivered, 1, "nobody knows how it ended");
    let id = quiet(&engine).await;
    assert_eq!(engine.suspension().resume(id).await.unwrap(), Ok(true));
    assert!(engine.hold_actor("edge/fake/default", false));
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["echo: hello"]);
    stop(engine).await;
}
