//! Jobs that are changed while they run, and jobs of a config that changes.

use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::cron::job::{JobId, Status};
use telson_actors::provider::FailureClass;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, START, World, add, greet, id, job, jobs, runs};
use crate::support::idle;

const DAY: Duration = Duration::from_hours(24);

fn once(name: &str, at: &Value) -> Value {
    let mut value = hourly(name, json!({"mode": "none"}));
    value["schedule"] = json!({"kind": "at", "at": at});
    value
}

// What asks for the next reminder is often the reminder itself.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_given_another_time_while_it_runs_comes_then_as_well() {
    let due = START.plus(HOUR);
    let at = json!({"schedule": {"kind": "at", "at": due.0}, "deleteAfterRun": true});
    for failure in [None, Some(FailureClass::Server)] {
        for is_once in [true, false] {
            let world = World::new();
            world.model.takes(Duration::from_secs(30));
            world.model.fails(failure);
            let engine = world.start().await;
            let mut value = once("j", &json!("1m"));
            if !is_once {
                value["schedule"] = json!({"kind": "every", "everyMs": 60_000});
            }
            add(&engine, value).await;
            tokio::time::sleep(MINUTE + Duration::from_secs(10)).await;
            assert_eq!(jobs(&engine).status().await.unwrap().running, 1);
            jobs(&engine).update(&id("j"), at.clone()).await.unwrap();
            tokio::time::sleep(30 * MINUTE).await;
            let what = format!("{failure:?}, once: {is_once}");
            let before = job(&engine, "j").await.expect(&what);
            assert!(runs(&engine, "j")[0].end.is_some(), "{what}: the first one is over");
            assert_eq!((before.spec.enabled, before.state.next), (true, Some(due)), "{what}");
            world.model.fails(None);
            tokio::time::sleep(HOUR).await;
            let asked = world.instants();
            assert_eq!(asked.last(), Some(&crate::kit::behind(HOUR)), "{what}: {asked:?}");
            assert_eq!(job(&engine, "j").await, None, "{what}: it has run for the last time");
            engine.shutdown(MINUTE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_switched_off_while_it_runs_stays_off() {
    let world = World::new();
    world.model.takes(Duration::from_secs(30));
    let engine = world.start().await;
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    tokio::time::sleep(HOUR + Duration::from_secs(10)).await;
    jobs(&engine).update(&id("j"), json!({"enabled": false})).await.unwrap();
    tokio::time::sleep(3 * HOUR).await;
    let off = job(&engine, "j").await.unwrap();
    assert_eq!((off.spec.enabled, off.state.next, runs(&engine, "j").len()), (false, None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_job_is_handed_on_only_to_an_agent_there_is() {
    let world = World::new();
    let engine = world.start().await;
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    let nobody = json!({"agentId": "nobody"});
    let error = jobs(&engine).update(&id("j"), nobody).await.unwrap_err().to_string();
    assert!(error.contains("there is no agent \"nobody\""), "{error}");
    assert_eq!(job(&engine, "j").await.unwrap().spec.agent, None);
    jobs(&engine).update(&id("j"), json!({"agentId": "main"})).await.unwrap();
}

fn declared(name: &str, at: i64) -> (JobId, Value) {
    (id(name), once(name, &json!(at)))
}

#[tokio::test(start_paused = true)]
async fn a_moment_of_the_config_that_was_past_when_it_was_first_seen_is_let_go() {
    let mut world = World::new();
    world.settings.declared = vec![declared("old", START.minus(365 * DAY).0)];
    // What counts from now would run at every start.
    world.settings.declared.push((id("relative"), once("relative", &json!("20m"))));
    world.settings.declared.push(declared("new", START.plus(HOUR).0));
    for start in 0..2 {
        let engine = world.start().await;
        tokio::time::sleep(2 * HOUR).await;
        assert_eq!(world.instants(), [crate::kit::behind(HOUR)], "{start}");
        let history = runs(&engine, "old");
        assert_eq!(history.len(), 1, "{start}: {history:?}");
        assert_eq!(history[0].end.as_ref().unwrap().status, Status::Skipped);
        assert_eq!(job(&engine, "old").await.unwrap().state.next, None);
        assert_eq!(job(&engine, "relative").await, None);
        engine.shutdown(MINUTE).await;
    }
    // Taken out and put back months later, with a history that is gone.
    let all = std::mem::take(&mut world.settings.declared);
    world.start().await.shutdown(MINUTE).await;
    tokio::time::sleep(90 * DAY).await;
    world.settings.declared = all;
    let engine = world.start().await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.instants().len(), 1, "it has run again");
    engine.shutdown(MINUTE).await;
}

// A moment that passes while the gateway is down is another matter.
#[tokio::test(start_paused = true)]
async fn a_moment_of_the_config_that_passed_while_it_was_waited_for_is_made_up_for() {
    let mut world = World::new();
    world.settings.declared = vec![declared("j", START.plus(HOUR).0)];
    world.start().await.shutdown(MINUTE).await;
    tokio::time::sleep(5 * HOUR).await;
    // Another name, and the same moment.
    world.settings.declared[0].1["name"] = json!("other");
    let engine = world.start().await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants().len(), 1);
    engine.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_mended_in_the_config_begins_anew() {
    let mut world = World::new();
    world.model.fails(Some(FailureClass::Auth));
    let mut value = hourly("j", json!({"mode": "none"}));
    value["schedule"]["everyMs"] = json!(60_000);
    world.settings.declared = vec![(id("j"), value)];
    let engine = world.start().await;
    tokio::time::sleep(10 * HOUR).await;
    let off = job(&engine, "j").await.unwrap();
    assert!(!off.spec.enabled && off.state.errors == 10, "{off:?}");
    engine.shutdown(MINUTE).await;
    world.settings.declared[0].1["name"] = json!("mended");
    let engine = world.start().await;
    assert_eq!(job(&engine, "j").await.unwrap().state.errors, 0);
    tokio::time::sleep(2 * MINUTE).await;
    let again = job(&engine, "j").await.unwrap();
    assert!(again.spec.enabled && again.state.errors > 0, "one more failure is one: {again:?}");
    engine.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_cannot_be_worked_out_is_tried_again_and_somebody_is_told() {
    let mut world = World::new();
    let mut value = hourly("j", json!({"mode": "announce", "channel": "last"}));
    value["schedule"] = json!({"kind": "cron", "expr": "0 7 * * *", "tz": "Mars/Olympus"});
    world.settings.declared = vec![(id("j"), value)];
    let engine = world.start().await;
    greet(&engine).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    let tried = job(&engine, "j").await.unwrap();
    assert!(tried.spec.enabled && tried.state.schedule_errors == 2, "{tried:?}");
    tokio::time::sleep(MINUTE).await;
    idle(&engine).await;
    let off = job(&engine, "j").await.unwrap();
    assert!(!off.spec.enabled && off.state.disabled_because.is_some(), "{off:?}");
    let told = world.platform.sent_to("anna");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[1].contains("is switched off after its schedule could not be worked out 3 times")
            && told[1].contains("Mars/Olympus"),
        "{told:?}"
    );
}

// Whoever edits a config takes a job out for a moment, and puts it back.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_taken_out_and_put_back_does_not_run_again_at_the_same_instant() {
    let at = START.plus(MINUTE);
    let row = json!({"kind": "every", "everyMs": 3_600_000, "anchorMs": at.0});
    for schedule in [json!({"kind": "at", "at": at.0}), row] {
        let mut world = World::new();
        let mut value = hourly("j", json!({"mode": "announce", "channel": "last"}));
        value["schedule"] = schedule.clone();
        let declared = vec![(id("j"), value)];
        for (is_there, seconds) in [(true, 80), (false, 10), (true, 20), (false, 10), (true, 30)] {
            world.settings.declared = if is_there { declared.clone() } else { Vec::new() };
            let engine = world.start().await;
            greet(&engine).await;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            idle(&engine).await;
            engine.shutdown(MINUTE).await;
        }
        let asked = world.instants();
        assert_eq!(asked, [crate::kit::behind(MINUTE)], "{schedule}");
        assert_eq!(world.platform.sent_to("anna").len(), 2, "{schedule}: announced twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_made_again_for_a_moment_at_which_it_ran_is_refused() {
    let world = World::new();
    let engine = world.start().await;
    let value = once("j", &json!(START.plus(MINUTE).0));
    for is_removed in [false, true] {
        let mut value = value.clone();
        value["deleteAfterRun"] = json!(!is_removed);
        if is_removed {
            value["schedule"]["at"] = json!(world.clock.now().plus(MINUTE).0);
        }
        add(&engine, value.clone()).await;
        tokio::time::sleep(MINUTE + Duration::from_secs(10)).await;
        assert_eq!(jobs(&engine).remove(&id("j")).await, Ok(is_removed));
        let error = jobs(&engine).add(value).await.unwrap_err().to_string();
        assert!(error.contains("the job j has run at this moment already"), "{error}");
    }
    assert_eq!(world.instants().len(), 2);
    engine.shutdown(MINUTE).await;
}
