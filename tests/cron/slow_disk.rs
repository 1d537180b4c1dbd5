//! Jobs on a disk that takes its time: what is decided counts once it is written.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson_actors::cron::job::Status;
use telson_actors::cron::wake::{Event, Wake, Woken};
use telson_actors::router::AdmitError;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, id, jobs, runs};
use crate::sluggish::Sluggish;

/// Takes every event down, and is never done with it.
#[derive(Default)]
struct Hangs(Mutex<Vec<String>>);

impl Wake for Hangs {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        self.0.lock().unwrap().push(event.run);
        Box::pin(std::future::pending())
    }
}

// Whoever is stopped starts again, and must find that there is no job any more: else it would do
// again what it was stopped for.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_because_its_job_is_removed_does_not_begin_again() {
    let (world, hangs) = (World::new(), Arc::new(Hangs::default()));
    let disk = Arc::new(Sluggish::new(&world.memory));
    let builder = world.builder().wake(hangs.clone());
    let engine = builder.blocking_backend(disk.clone()).start().await.unwrap();
    let mut job = hourly("j", json!(null));
    job["payload"] = json!({"kind": "systemEvent", "text": "hear me"});
    add(&engine, job).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    // The disk works in time of its own, for which the test's does not wait.
    for _ in 0..30_000 {
        if !hangs.0.lock().unwrap().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(hangs.0.lock().unwrap().len(), 1);
    disk.slows_down();
    assert_eq!(jobs(&engine).remove(&id("j")).await, Ok(true));
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(hangs.0.lock().unwrap().len(), 1, "it was told again");
}

// An end that is not written down would be an unknown one in the next life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_end_waits_until_the_end_of_a_command_is_written() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let disk = Arc::new(Sluggish::new(&world.memory));
    let engine = world.builder().blocking_backend(disk.clone()).start().await.unwrap();
    let (begun, go) = (folder.path().join("begun"), folder.path().join("go"));
    let (from, to) = (begun.display(), go.display());
    let script = format!("echo x >> {from}; until test -e {to}; do sleep 0.02; done");
    let mut job = hourly("j", json!({"mode": "none"}));
    job["payload"] = json!({"kind": "command", "argv": ["/bin/sh", "-c", script]});
    add(&engine, job).await;
    jobs(&engine).run(&id("j"), true).await.unwrap();
    let runs_now = async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), runs_now).await.expect("the command runs");
    disk.slows_down();
    std::fs::write(&go, "").unwrap();
    assert!(engine.drain(MINUTE).await, "nothing is left");
    let end = runs(&engine, "j").remove(0).end.expect("it is written down");
    assert_eq!(end.status, Status::Ok, "{end:?}");
}
