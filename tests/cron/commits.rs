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
use crate::support::{account, idle};

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
