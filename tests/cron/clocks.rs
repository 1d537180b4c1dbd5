//! Clocks that are set and machines that sleep.

use std::time::Duration;

use serde_json::json;
use telson_actors::suspension::Prepared;
use telson_actors::suspension::lease::Wish;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, behind, greet, id, job, jobs, runs};

fn hour_ms() -> i64 {
    3_600_000
}

fn are_different(mut instants: Vec<String>) -> usize {
    let all = instants.len();
    instants.sort();
    instants.dedup();
    assert_eq!(instants.len(), all, "an instant ran twice");
    all
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_repeats_nothing_and_stops_nothing() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    add(&engine, hourly("j", json!({"mode": "announce", "channel": "last"}))).await;
    tokio::time::sleep(5 * HOUR + MINUTE).await;
    world.clock.step(-3 * hour_ms());
    // The three hours come again, and are not run again.
    tokio::time::sleep(3 * HOUR).await;
    assert_eq!(are_different(world.instants()), 5);
    // The answer to the greeting, and five announcements: the session of a run would spare the model,
    // and the person would read it twice.
    assert_eq!(are_different(world.platform.sent_to("anna")), 6);
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(are_different(world.instants()), 7);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_by_a_year_for_an_hour_silences_nobody() {
    let world = World::new();
    let engine = world.start().await;
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    tokio::time::sleep(2 * HOUR + 30 * MINUTE).await;
    world.clock.step(365 * 24 * hour_ms());
    tokio::time::sleep(HOUR + MINUTE).await;
    world.clock.step(-365 * 24 * hour_ms());
    tokio::time::sleep(3 * HOUR).await;
    // Two before, one in the wrong year, three behind it.
    assert_eq!(are_different(world.instants()), 6, "{:?}", world.instants());
}

#[tokio::test(start_paused = true)]
async fn asleep_turns_are_missed_and_events_are_made_up_for_once() {
    let world = World::new();
    let engine = world.start().await;
    add(&engine, hourly("turn", json!({"mode": "none"}))).await;
    add(
        &engine,
        json!({
            "id": "event", "schedule": {"kind": "every", "everyMs": 3_600_000},
            "payload": {"kind": "systemEvent", "text": "tick"},
        }),
    )
    .await;
    tokio::time::sleep(HOUR + 30 * MINUTE).await;
    world.clock.sleep(8 * HOUR);
    tokio::time::sleep(5 * MINUTE).await;
    let turns = runs(&engine, "turn");
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert_eq!(turns[1].end.as_ref().unwrap().status.name(), "skipped");
    let events = runs(&engine, "event");
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[1].run.at.since(events[0].run.at), HOUR, "the first one that was missed");
    tokio::time::sleep(HOUR).await;
    assert_eq!((runs(&engine, "turn").len(), runs(&engine, "event").len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_restart_across_an_instant_loses_nothing() {
    let world = World::new();
    let engine = world.start().await;
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    tokio::time::sleep(MINUTE * 59).await;
    engine.shutdown(MINUTE).await;
    // Down for a minute and a half, over the instant.
    tokio::time::sleep(MINUTE * 3 / 2).await;
    let engine = world.start().await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants().len(), 1);
    engine.shutdown(MINUTE).await;
    tokio::time::sleep(5 * HOUR + 30 * MINUTE).await;
    let engine = world.start().await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants().len(), 1, "what was missed by hours is left");
    assert_eq!(runs(&engine, "j").len(), 2);
}

// Nobody looks at the clock in between: only who changes the jobs has seen it ahead.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_for_a_moment_while_jobs_were_changed_silences_nobody() {
    let world = World::new();
    let engine = world.start().await;
    let year = 365 * 24 * hour_ms();
    for name in ["row", "expression", "untouched"] {
        add(&engine, hourly(name, json!({"mode": "none"}))).await;
    }
    tokio::time::sleep(HOUR / 2 + Duration::from_secs(7)).await;
    world.clock.step(year);
    // The row counts from the moment in which it is made, and that was a year ahead.
    let every = json!({"schedule": {"kind": "every", "everyMs": 1_800_000}});
    jobs(&engine).update(&id("row"), every).await.unwrap();
    let expression = json!({"schedule": {"kind": "cron", "expr": "30 7 * * * *", "tz": "UTC"}});
    jobs(&engine).update(&id("expression"), expression).await.unwrap();
    add(&engine, hourly("new", json!({"mode": "none"}))).await;
    world.clock.step(-year);
    tokio::time::sleep(2 * HOUR + 2 * MINUTE).await;
    for (name, times) in [("row", 4), ("expression", 2), ("new", 2), ("untouched", 2)] {
        assert_eq!(runs(&engine, name).len(), times, "{name}");
        let next = job(&engine, name).await.unwrap().state.next.unwrap();
        assert!(next.since(world.clock.now()) <= HOUR, "{name} goes on");
    }
    assert_eq!(world.instants().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_for_a_moment_before_a_restart_silences_nobody() {
    let world = World::new();
    let engine = world.start().await;
    let year = 365 * 24 * hour_ms();
    world.clock.step(year);
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    // One that is to begin in a year begins in a year.
    let mut later = hourly("later", json!({"mode": "none"}));
    let begins = world.clock.now().plus(HOUR);
    later["schedule"]["anchorMs"] = json!(begins.0);
    add(&engine, later).await;
    world.clock.step(-year);
    engine.shutdown(MINUTE).await;
    let engine = world.start().await;
    tokio::time::sleep(2 * HOUR + MINUTE).await;
    assert_eq!(runs(&engine, "j").len(), 2);
    assert_eq!(runs(&engine, "later").len(), 0);
    assert_eq!(job(&engine, "later").await.unwrap().state.next, Some(begins));
}

// Its turn goes on when the machine wakes, and its answer is told like any other.
#[tokio::test(start_paused = true)]
async fn a_run_over_which_the_machine_sleeps_is_not_stuck() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    world.model.takes(20 * MINUTE);
    let mut once = hourly("once", json!({"mode": "announce", "channel": "last"}));
    once["schedule"] = json!({"kind": "at", "at": "1m"});
    once["deleteAfterRun"] = json!(false);
    add(&engine, once).await;
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(jobs(&engine).status().await.unwrap().running, 1);
    world.clock.sleep(5 * HOUR);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(jobs(&engine).status().await.unwrap().running, 1, "it goes on");
    tokio::time::sleep(20 * MINUTE).await;
    crate::support::idle(&engine).await;
    let end = runs(&engine, "once").remove(0).end.unwrap();
    assert_eq!(end.status.name(), "ok", "{end:?}");
    assert_eq!(world.platform.sent_to("anna").len(), 2);
}

// A turn that is cut off again and again would never be over its time.
#[tokio::test(start_paused = true)]
async fn the_time_of_a_turn_goes_on_over_restarts_and_stands_still_while_the_gateway_is_down() {
    let world = World::new();
    world.model.takes(10 * HOUR);
    let engine = world.start().await;
    let mut slow = hourly("slow", json!({"mode": "none"}));
    slow["schedule"] = json!({"kind": "at", "at": "1m"});
    slow["payload"]["timeoutSeconds"] = json!(600);
    add(&engine, slow).await;
    tokio::time::sleep(8 * MINUTE).await;
    engine.shutdown(Duration::from_secs(1)).await;
    tokio::time::sleep(HOUR).await;
    let engine = world.start().await;
    tokio::time::sleep(MINUTE).await;
    let began = world.clock.now();
    assert_eq!(jobs(&engine).status().await.unwrap().running, 1, "it has time left");
    tokio::time::sleep(20 * MINUTE).await;
    let end = runs(&engine, "slow").remove(0).end.unwrap();
    assert_eq!(end.error.as_deref(), Some("it took longer than 600 s and was stopped"));
    assert!(end.at.since(began) < 4 * MINUTE, "{:?}", end.at.since(began));
}

// A lease may be renewed for longer than an instant may be late.
#[tokio::test(start_paused = true)]
async fn an_instant_that_comes_while_all_is_quiet_runs_once_afterwards() {
    let world = World::new();
    let engine = world.start().await;
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    tokio::time::sleep(59 * MINUTE).await;
    let mut lease = String::new();
    for _ in 0..10 {
        let wish = Wish { request: "op".into(), ends_terminals: false, drains: false };
        match engine.suspension().prepare(wish).await.unwrap() {
            Prepared::Ready(given) => lease = given.id,
            other => panic!("nothing is under way: {other:?}"),
        }
        tokio::time::sleep(MINUTE).await;
    }
    assert_eq!(world.instants().len(), 0);
    assert_eq!(engine.suspension().resume(lease).await.unwrap(), Ok(true));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants(), [behind(HOUR)]);
    assert_eq!(runs(&engine, "j").len(), 1);
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.instants().len(), 2);
}
