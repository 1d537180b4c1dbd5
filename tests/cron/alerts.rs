//! Failures: pauses, who is told, and when it is enough.

use serde_json::json;
use telson_actors::provider::FailureClass;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, greet, job, runs};
use crate::support::idle;

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_rests_tells_somebody_and_is_switched_off() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    world.model.fails(Some(FailureClass::Auth));
    let mut every_minute = hourly("bad", json!({"mode": "announce", "channel": "last"}));
    every_minute["schedule"]["everyMs"] = json!(60_000);
    add(&engine, every_minute).await;
    tokio::time::sleep(10 * HOUR).await;
    idle(&engine).await;
    let at: Vec<_> = runs(&engine, "bad").iter().map(|run| run.run.at).collect();
    assert_eq!(at.len(), 10);
    // Each waits for the end of the one before: a model may be asked again within one turn.
    let pauses: Vec<u64> = at.windows(2).map(|two| two[1].since(two[0]).as_secs() / 60).collect();
    assert!(pauses.is_sorted() && pauses[8] >= 60 && pauses[8] < 70, "{pauses:?}");
    let state = job(&engine, "bad").await.unwrap();
    assert!(!state.spec.enabled && state.state.disabled_because.is_some());
    let told = &world.platform.sent_to("anna")[1..];
    assert!(
        told[0].starts_with("The job \"bad\" has failed again and again (2 in a row)"),
        "{told:?}"
    );
    assert!(
        told.last().unwrap().contains("is switched off after 10 failures in a row"),
        "{told:?}"
    );
    // Once an hour, not with every failure.
    assert!(told.len() <= 8, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_once_is_tried_again_where_that_helps() {
    for (class, tries) in [(FailureClass::Auth, 1), (FailureClass::Server, 4)] {
        let world = World::new();
        world.model.fails(Some(class));
        let engine = world.start().await;
        let mut once = hourly("once", json!({"mode": "none"}));
        once["schedule"] = json!({"kind": "at", "at": "1m"});
        add(&engine, once).await;
        tokio::time::sleep(3 * HOUR).await;
        assert_eq!(runs(&engine, "once").len(), tries, "{class:?}");
        assert!(!job(&engine, "once").await.unwrap().spec.enabled);
        engine.shutdown(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn instants_that_were_missed_are_skips_of_the_job() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    let mut value = hourly("j", json!({"mode": "announce", "channel": "last"}));
    value["failureAlert"] = json!({"after": 2, "includeSkipped": true});
    add(&engine, value).await;
    world.model.fails(Some(FailureClass::Auth));
    tokio::time::sleep(HOUR + MINUTE).await;
    assert_eq!(job(&engine, "j").await.unwrap().state.errors, 1);
    for nth in 1..=2 {
        world.clock.sleep(HOUR + HOUR / 2);
        tokio::time::sleep(2 * MINUTE).await;
        let state = job(&engine, "j").await.unwrap().state;
        assert_eq!((state.errors, state.skips), (0, nth), "{state:?}");
    }
    idle(&engine).await;
    let told = &world.platform.sent_to("anna")[1..];
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("The job \"j\" was skipped again and again (2 in a row): the gateway")
    );
}
