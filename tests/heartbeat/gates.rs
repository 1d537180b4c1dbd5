//! Each reason for which a heartbeat is skipped, met on the way from a wake to the model.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use telson::Engine;
use telson_actors::heartbeat::{ActiveHours, Beat, Skip, Target, VisibilityRules, WakeMode};
use telson_actors::suspension::Prepared;
use telson_actors::suspension::lease::Wish;

use crate::kit::{Does, File, Model, World, beat, main_session, next, pair, stop, until};
use crate::support::{account, direct};

/// Asks for a wake and answers the first status.
async fn first(engine: &Engine) -> (String, String) {
    let mut news = engine.heartbeats().watch();
    engine.request_heartbeat("main");
    next(&mut news).await
}

/// One engine with this heart: what becomes of a wake, and that no model was asked.
async fn skipped(world: &World, beat: Beat) -> String {
    let engine = world.start(beat).await;
    let (outcome, reason) = first(&engine).await;
    assert_eq!((outcome.as_str(), world.model.calls()), ("skipped", 0), "{reason}");
    let last = engine.heartbeats().last().unwrap().unwrap();
    assert_eq!(last.reason.as_deref(), Some(reason.as_str()), "it is written down");
    stop(engine).await;
    reason
}

fn world() -> World {
    World::new(&Model::saying("news"), File::of("- look after the house"))
}

#[tokio::test(start_paused = true)]
async fn every_reason_to_skip_is_met() {
    let mut met = BTreeSet::new();

    let off = world();
    let engine = off.start(beat()).await;
    engine.heartbeats().set_enabled(false).await.unwrap();
    met.insert(first(&engine).await.1);
    stop(engine).await;
    // Over a restart too, until somebody switches them on.
    assert_eq!(skipped(&off, beat()).await, "disabled");
    let engine = off.start(beat()).await;
    engine.heartbeats().set_enabled(true).await.unwrap();
    assert_eq!(first(&engine).await, pair("sent", "requested"));
    stop(engine).await;

    // It is 08:00 UTC.
    let hours = ActiveHours::new("09:00", "17:00", TimeZone::UTC).ok();
    met.insert(skipped(&world(), Beat { hours, ..beat() }).await);

    let busy = world();
    busy.model.script([Does::Hangs]);
    let engine = busy.start(beat()).await;
    engine.inject(direct("1", "anna", "think")).await.unwrap();
    until("the model thinks", || busy.model.calls() == 1).await;
    met.insert(first(&engine).await.1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(busy.model.calls(), 1, "nobody is asked beside a person's turn");
    busy.model.go_on.notify_one();
    until("it was only put off", || busy.told() == ["news"]).await;
    stop(engine).await;

    for text in [None, Some("# Heartbeat\n\n- [ ]\n")] {
        let idle = world();
        idle.file.write(text);
        met.insert(skipped(&idle, beat()).await);
    }

    met.insert(skipped(&world(), Beat { target: Target::Last, to: None, ..beat() }).await);

    met.insert(skipped(&world(), Beat { allows_direct: false, ..beat() }).await);

    let hidden = world();
    let no = Some(false);
    let rules = VisibilityRules { ok: no, alerts: no, indicator: no };
    let builder = hidden.builder().heartbeat("main", beat());
    let builder = builder.heartbeats(|beats| {
        beats.visibility.accounts.insert(account(), rules);
    });
    let engine = builder.backend(std::sync::Arc::new(hidden.memory.clone())).start().await.unwrap();
    met.insert(first(&engine).await.1);
    assert_eq!(hidden.model.calls(), 0);
    stop(engine).await;

    let often = world();
    let engine = often.start(beat()).await;
    let mut news = engine.heartbeats().watch();
    loop {
        engine.request_heartbeat("main");
        let (outcome, reason) = next(&mut news).await;
        if outcome == "skipped" && reason != "duplicate" {
            met.insert(reason);
            break;
        }
    }
    assert_eq!(often.model.calls(), 10);
    stop(engine).await;

    let all: BTreeSet<String> = Skip::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(met, all);
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_a_heart_keeps_its_events_for_its_next_turn() {
    let world = world();
    let engine = world.builder().backend(std::sync::Arc::new(world.memory.clone())).start().await;
    let engine = engine.unwrap();
    let mut news = engine.heartbeats().watch();
    engine.system_event(&main_session(), "fire", WakeMode::Now, None).await.unwrap();
    assert_eq!(next(&mut news).await, pair("skipped", "disabled"));
    assert_eq!(engine.system_events().waiting(&main_session()).unwrap().len(), 1);
    assert_eq!(world.model.calls(), 0);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_at_night_wakes_its_agent_in_the_morning() {
    let world = World::new(&Model::saying("good morning"), File::default());
    let hours = ActiveHours::new("09:00", "17:00", TimeZone::UTC).ok();
    let engine = world.start(Beat { hours, every: Duration::ZERO, ..beat() }).await;
    engine.system_event(&main_session(), "mail", WakeMode::Now, None).await.unwrap();
    tokio::time::sleep(Duration::from_mins(59)).await;
    assert_eq!(world.model.calls(), 0);
    until("the day begins", || world.told() == ["good morning"]).await;
    let minutes = engine.clock().now().since(crate::kit::NOW).as_secs() / 60;
    assert!((60..=62).contains(&minutes), "{minutes}");
    stop(engine).await;
}

// No timer runs while all is quiet.
#[tokio::test(start_paused = true)]
async fn a_heart_beats_on_after_a_suspension() {
    let world = world();
    let engine = world.start(Beat { every: Duration::from_mins(30), ..beat() }).await;
    let mut lease = String::new();
    for _ in 0..60 {
        let wish = Wish { request: "op".into(), ends_terminals: false, drains: false };
        match engine.suspension().prepare(wish).await.unwrap() {
            Prepared::Ready(given) => lease = given.id,
            other => panic!("nothing is under way: {other:?}"),
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    assert_eq!(world.model.calls(), 0);
    assert_eq!(engine.suspension().resume(lease).await.unwrap(), Ok(true));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.model.calls(), 1, "what has come meanwhile is one beat");
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert!(world.model.calls() >= 2, "and it goes on");
    stop(engine).await;
}
