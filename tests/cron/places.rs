//! What a job leaves behind when it goes: its place for others, and that it has run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::supervision::Node;
use telson_actors::cron::job::{Run, Status};
use telson_actors::cron::wake::{Event, Wake, Woken};
use telson_actors::router::AdmitError;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, START, World, add, greet, id, job, jobs, runs};
use crate::support::idle;

const DAY: Duration = Duration::from_hours(24);

/// Takes no event, and says nothing about it.
struct Deaf;

impl Wake for Deaf {
    fn system_event(&self, _: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        Box::pin(std::future::pending())
    }
}

/// Takes every event, and keeps count of them.
#[derive(Default)]
struct Counts(Mutex<Vec<String>>);

impl Wake for Counts {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        self.0.lock().unwrap().push(event.run);
        Box::pin(std::future::ready(Ok(Woken::Done)))
    }
}

// A second time would do no harm, and cost as much as the first.
#[tokio::test(start_paused = true)]
async fn an_event_is_handed_over_once() {
    let (world, counts) = (World::new(), Arc::new(Counts::default()));
    let builder = world.builder().wake(counts.clone());
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let mut hourly = hourly("j", json!(null));
    hourly["payload"] = json!({"kind": "systemEvent", "text": "hear me"});
    add(&engine, hourly).await;
    tokio::time::sleep(5 * HOUR + MINUTE).await;
    let handed: Vec<String> = runs(&engine, "j").iter().map(|run| run.run.name(&run.job)).collect();
    assert_eq!(handed.len(), 5);
    assert_eq!(*counts.0.lock().unwrap(), handed);
}

// There is one place, and the run of the removed job will never say that it has ended.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_removed_while_it_runs_gives_its_place_away() {
    let world = World::new();
    let builder = world.builder().wake(Arc::new(Deaf));
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let mut first = hourly("first", json!(null));
    first["payload"] = json!({"kind": "systemEvent", "text": "hear me"});
    for (mut job, seconds) in [(first, 10), (hourly("second", json!({"mode": "none"})), 20)] {
        job["schedule"]["anchorMs"] = json!(START.0 + seconds * 1000);
        add(&engine, job).await;
    }
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants().len(), 0, "the second one waits for the place of the first");
    assert_eq!(jobs(&engine).remove(&id("first")).await, Ok(true));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants().len(), 1, "it begins at once");
    tokio::time::sleep(3 * HOUR).await;
    assert_eq!(runs(&engine, "second").len(), 4);
    assert_eq!(jobs(&engine).status().await.unwrap().running, 0);
}

// Its record is forgotten after a week; that it has run is not.
#[tokio::test(start_paused = true)]
async fn a_job_of_the_config_that_runs_once_does_not_run_again_after_its_history_is_gone() {
    let mut world = World::new();
    let once = |name: &str| {
        (id("once"), {
            let mut value = hourly(name, json!({"mode": "announce", "channel": "last"}));
            value["schedule"] = json!({"kind": "at", "at": START.0 + 3_600_000});
            value
        })
    };
    world.settings.declared = vec![once("as it was")];
    let engine = world.start().await;
    greet(&engine).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    idle(&engine).await;
    assert_eq!((world.instants().len(), runs(&engine, "once").len()), (1, 1));
    tokio::time::sleep(9 * DAY).await;
    assert!(runs(&engine, "once").is_empty(), "its record is gone");
    engine.shutdown(MINUTE).await;
    // The same config, one that calls it otherwise, and one that has it switched off in between.
    for name in ["as it was", "another name", "", "the name again"] {
        world.settings.declared = vec![once(name)];
        world.settings.declared[0].1["enabled"] = json!(!name.is_empty());
        let engine = world.start().await;
        tokio::time::sleep(DAY).await;
        assert_eq!(job(&engine, "once").await.unwrap().state.next, None, "{name:?}");
        assert!(runs(&engine, "once").is_empty(), "{name:?}: it has run again");
        engine.shutdown(MINUTE).await;
    }
    assert_eq!(world.instants().len(), 1, "{:?}", world.instants());
    assert_eq!(world.platform.sent_to("anna").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_can_wait_is_told_with_the_next_turn_and_another_one_at_once() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    for (name, mode) in [("can-wait", "next-heartbeat"), ("in-a-hurry", "now")] {
        add(
            &engine,
            json!({
                "id": name, "schedule": {"kind": "at", "at": "90s"}, "wakeMode": mode,
                "payload": {"kind": "systemEvent", "text": name},
            }),
        )
        .await;
        tokio::time::sleep(2 * MINUTE).await;
    }
    idle(&engine).await;
    let asked = world.model.bill();
    assert_eq!(asked.len(), 2, "one turn for the greeting, one for both events: {asked:?}");
    let (waited, hurried) = asked[1].split_once("\n\n").unwrap();
    assert!(waited.contains("can-wait") && hurried.contains("in-a-hurry"), "{asked:?}");
    assert_eq!(world.platform.sent_to("anna").len(), 2);
}

/// Actors of runs that are alive.
fn alive(engine: &telson::Engine) -> usize {
    fn find(node: &Node) -> Option<usize> {
        let own = (node.id == "runs").then_some(node.live).flatten();
        own.or_else(|| node.children.iter().find_map(find))
    }
    find(&engine.tree()).unwrap()
}

// Whoever is killed starts again: nobody tells it anything, and it must not stay for ever.
#[tokio::test(start_paused = true)]
async fn the_actor_of_a_run_whose_job_was_removed_leaves() {
    let world = World::new();
    let builder = world.builder().wake(Arc::new(Deaf));
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let mut job = hourly("j", json!(null));
    job["payload"] = json!({"kind": "systemEvent", "text": "hear me"});
    add(&engine, job).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    assert_eq!(alive(&engine), 1);
    assert_eq!(jobs(&engine).remove(&id("j")).await, Ok(true));
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(alive(&engine), 0);
}

/// A job that waits for the only place, claimed as one thing and made another one.
async fn changed_while_it_waits(payload: serde_json::Value, patch: serde_json::Value) -> Run {
    let mut world = World::new();
    world.settings.runs_max = 1;
    world.model.takes(10 * MINUTE);
    let engine = world.start().await;
    for (name, seconds) in [("first", 10), ("second", 20)] {
        let mut job = hourly(name, json!({"mode": "none"}));
        job["schedule"]["anchorMs"] = json!(START.0 + seconds * 1000);
        if name == "second" {
            job["payload"] = payload.clone();
        }
        add(&engine, job).await;
    }
    tokio::time::sleep(MINUTE).await;
    assert_eq!(jobs(&engine).status().await.unwrap().running, 2);
    jobs(&engine).update(&id("second"), patch).await.unwrap();
    tokio::time::sleep(20 * MINUTE).await;
    let asked = world.instants();
    assert!(asked.iter().all(|at| at.ends_with(":10Z")), "the first alone has asked: {asked:?}");
    let run = runs(&engine, "second").remove(0);
    // Its next instant is meant.
    engine.shutdown(MINUTE).await;
    run
}

// The person who makes a turn a command has not said that the command is to run now.
#[tokio::test(start_paused = true)]
async fn a_run_does_what_it_was_claimed_for_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let command = json!({"kind": "command", "argv": ["/usr/bin/touch", ran.to_str().unwrap()]});
    let turn = json!({"kind": "agentTurn", "message": "do it"});
    let event = json!({"kind": "systemEvent", "text": "hear me"});
    for (was, is) in [(&turn, &command), (&event, &command), (&command, &turn), (&event, &turn)] {
        let run = changed_while_it_waits(was.clone(), json!({"payload": is})).await;
        let end = run.end.unwrap();
        assert_eq!(end.status, Status::Error, "{was} {is}");
        assert!(end.error.as_deref().unwrap().starts_with("the job was changed while it ran"));
        assert!(!ran.exists(), "{was}: the command has run");
    }
}
