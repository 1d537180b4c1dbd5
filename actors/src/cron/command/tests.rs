//! When a command may begin: the program itself writes down that it has run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::cron::job::{JobId, JobState, Payload, RunEnd, RunId, Status, Task};
use crate::cron::wire::read_spec;
use crate::store::MemoryBackend;

struct World {
    memory: MemoryBackend,
    store: Store,
    clock: Clock,
    job: Job,
    run: Run,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let memory = MemoryBackend::new();
        let store = Store::inline(Arc::new(memory.clone())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let touch = format!("echo x >> {}", folder.path().join("ran").display());
        let spec = json!({
            "schedule": {"kind": "at", "at": 1},
            "payload": {"kind": "command", "argv": ["/bin/sh", "-c", touch]},
        });
        let job = Job {
            id: JobId::new("j").unwrap(),
            spec: read_spec(&spec, Timestamp(0)).unwrap(),
            declared: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            state: JobState::default(),
        };
        let run = Run {
            job: job.id.clone(),
            job_name: "j".into(),
            run: RunId::scheduled(Timestamp(1)),
            claimed_at: Timestamp(1),
            task: Task::Command,
            session: None,
            end: None,
        };
        let world = Self { memory, store, clock: Clock::system(), job, run, folder };
        let mut batch = Batch::new();
        batch.put(job_key(&world.job.id), &world.job).put(world.key(), &world.run);
        world.store.commit(batch).await.unwrap();
        world
    }

    fn key(&self) -> crate::store::Key {
        run_key(&self.job.id, self.run.run)
    }

    fn stored(&self) -> Vec<u8> {
        self.store.get_as_stored::<Run>(&self.key()).unwrap().unwrap().1
    }

    async fn perform(&self, stored: Vec<u8>) -> Outcome {
        let settings = ExecSettings::default();
        let deps = CommandDeps { store: &self.store, clock: &self.clock, settings: &settings };
        let Payload::Command(line) = &self.job.spec.payload else { panic!("no command") };
        let line = CommandLine { env: BTreeMap::new(), ..line.clone() };
        let claimed = Claimed { run: &self.run, stored };
        perform(deps, &self.job, &claimed, &line).await.unwrap()
    }

    fn times(&self) -> usize {
        times(self.folder.path())
    }
}

fn times(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("ran")).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_claimed_command_runs_once_however_often_it_is_performed() {
    let world = World::new().await;
    for _ in 0..2 {
        assert_eq!(world.perform(world.stored()).await.status, Status::Ok);
        assert_eq!(world.times(), 1);
    }
}

#[tokio::test]
async fn the_command_of_a_job_that_is_gone_does_not_begin() {
    let world = World::new().await;
    let stored = world.stored();
    let mut batch = Batch::new();
    batch.delete(job_key(&world.job.id));
    world.store.commit(batch).await.unwrap();
    let outcome = world.perform(stored).await;
    assert_eq!((outcome.error.as_deref(), world.times()), (Some(OVER), 0));
}

#[tokio::test]
async fn the_command_of_a_run_that_has_ended_does_not_begin() {
    let world = World::new().await;
    let stored = world.stored();
    let end = RunEnd {
        at: Timestamp(2),
        status: Status::Error,
        error: Some("given up".into()),
        summary: String::new(),
        delivery: crate::cron::job::Delivered::NotRequested,
        model: String::new(),
        tokens: (0, 0),
        next: None,
    };
    let mut batch = Batch::new();
    batch.put(world.key(), &Run { end: Some(end), ..world.run.clone() });
    world.store.commit(batch).await.unwrap();
    let outcome = world.perform(stored).await;
    assert_eq!((outcome.error.as_deref(), world.times()), (Some(OVER), 0));
}

#[tokio::test]
async fn a_command_whose_record_is_damaged_is_not_run_again() {
    let world = World::new().await;
    assert_eq!(world.perform(world.stored()).await.status, Status::Ok);
    world.memory.damage(&command_key(&world.job.id, world.run.run));
    // The first look sets the record aside, and later ones find none.
    for _ in 0..2 {
        let outcome = world.perform(world.stored()).await;
        assert_eq!((outcome.status, outcome.error.as_deref()), (Status::Unknown, Some(DAMAGED)));
        assert_eq!(world.times(), 1);
    }
}
