//! The disk dies at each commit of a scene with a job, before or after it has written; the next
//! life goes on with what is there. No instant is announced twice, and none is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use telson_actors::outbox::UnsettledSends;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, greet, id, jobs};
use crate::mortal::{Mortal, dead_at_each_commit};
use crate::support::{account, direct, idle};

/// Two instants of a job with a death at the nth commit behind the first minute; `false` once the
/// scene is over before.
async fn scene(commits: i64, writes_last: bool) -> bool {
    let world = World::new();
    let builder = || world.builder().unsettled(&account(), UnsettledSends::Resend);
    let mortal = Arc::new(Mortal::new(&world.memory, writes_last));
    let engine = builder().backend(mortal.clone()).start().await.unwrap();
    greet(&engine).await;
    add(&engine, hourly("j", json!({"mode": "announce", "channel": "last"}))).await;
    mortal.dies_in(commits);
    tokio::select! {
        _ = engine.failed() => {}
        () = tokio::time::sleep(2 * HOUR + MINUTE / 2) => {}
    }
    let died = mortal.is_dead();
    engine.shutdown(Duration::from_secs(5)).await;
    let engine = builder().backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let until = crate::kit::START.plus(2 * HOUR + MINUTE);
    tokio::time::sleep(until.since(world.clock.now())).await;
    idle(&engine).await;
    jobs(&engine).update(&id("j"), json!({"enabled": false})).await.unwrap();
    let told = &world.platform.sent_to("anna")[1..];
    let different: BTreeSet<&String> = told.iter().collect();
    let what = format!("dead at commit {commits} (written: {writes_last}): {told:?}");
    assert_eq!((told.len(), different.len()), (2, 2), "{what}");
    let paid: BTreeSet<String> = world.instants().into_iter().collect();
    assert_eq!(paid.len(), 2, "{what}");
    died
}

#[tokio::test(start_paused = true)]
async fn dead_at_any_commit_every_instant_is_announced_once() {
    // Claim, admission, turn, end and receipt of two runs.
    dead_at_each_commit(8, scene).await;
}

/// An event that may not wake its agent in the first life and may in the second, with a death at the
/// nth commit; `false` once the scene is over before.
async fn too_often(commits: i64, writes_last: bool) -> bool {
    let world = World::new();
    let builder = || world.builder().unsettled(&account(), UnsettledSends::Resend);
    let mortal = Arc::new(Mortal::new(&world.memory, writes_last));
    let engine = builder().backend(mortal.clone()).start().await.unwrap();
    greet(&engine).await;
    let event = json!({
        "id": "e", "schedule": {"kind": "at", "at": "90s"},
        "payload": {"kind": "systemEvent", "text": "tick"},
    });
    add(&engine, event).await;
    tokio::time::sleep(MINUTE).await;
    let mut taken = 0;
    while engine.heartbeats().take_wake("main", engine.clock().steady()).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 10);
    mortal.dies_in(commits);
    tokio::select! {
        _ = engine.failed() => {}
        () = tokio::time::sleep(MINUTE / 2 + MINUTE / 4) => {}
    }
    let died = mortal.is_dead();
    engine.shutdown(Duration::from_secs(5)).await;
    let engine = builder().backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let until = crate::kit::START.plus(10 * MINUTE);
    tokio::time::sleep(until.since(world.clock.now())).await;
    engine.inject(direct("2", "anna", "and now?")).await.unwrap();
    idle(&engine).await;
    let asked = world.model.bill();
    let told: usize = asked.iter().map(|asked| asked.matches("] tick").count()).sum();
    assert_eq!(told, 1, "dead at commit {commits} (written: {writes_last}): {asked:?}");
    died
}

#[tokio::test(start_paused = true)]
async fn dead_at_any_commit_an_event_that_came_too_often_is_told_once() {
    // Claim, event and end.
    dead_at_each_commit(2, too_often).await;
}
