//! Claims whose actors or scheduler have met with trouble: each is settled soon, with what is true,
//! and holds its job up no longer than that.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use telson::Limits;
use telson_actors::cron::job::Status;
use telson_actors::cron::{ChangeError, run_key};
use telson_actors::outbox::UnsettledSends;
use telson_actors::store::{Backend, Key, MemoryBackend, Pair, Space, StoreError, Write};

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, START, World, add, greet, id, job, jobs, runs};
use crate::mortal::{Mortal, dead_at_each_commit};
use crate::support::{account, direct, idle};

/// A disk on which some reads of the claimed run fail, counted from one.
struct Flaky {
    disk: MemoryBackend,
    reads: AtomicUsize,
    failing: BTreeSet<usize>,
    failed: AtomicUsize,
}

impl Backend for Flaky {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.disk.commit(writes)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.disk.get(key)?;
        if key.is_in(Space::CronRun)
            && found.is_some()
            && self.failing.contains(&(self.reads.fetch_add(1, Ordering::SeqCst) + 1))
        {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Database("this read failed".into()));
        }
        Ok(found)
    }

    fn contains(&self, key: &Key) -> Result<bool, StoreError> {
        self.disk.contains(key)
    }

    fn scan(&self, of: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.disk.scan(of, after, limit)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.disk.tail(prefix, limit)
    }
}

fn once(payload: &Value) -> Value {
    let mut job = hourly("j", json!({"mode": "announce", "channel": "last"}));
    job["schedule"] = json!({"kind": "at", "at": START.0 + 90_000});
    job["deleteAfterRun"] = json!(false);
    job["payload"] = payload.clone();
    job
}

/// An instant with two faults around it: of the run's actor, of the scheduler, or of both.
async fn two_faults(payload: &Value, failing: [usize; 2]) {
    let world = World::new();
    let disk = Arc::new(Flaky {
        disk: world.memory.clone(),
        reads: AtomicUsize::new(0),
        failing: failing.into(),
        failed: AtomicUsize::new(0),
    });
    let engine = world.builder().backend(disk.clone()).start().await.unwrap();
    greet(&engine).await;
    add(&engine, once(payload)).await;
    tokio::time::sleep(4 * MINUTE).await;
    let what = format!("{payload}, reads {failing:?} failed");
    let run = runs(&engine, "j").remove(0);
    let end = run.end.unwrap_or_else(|| panic!("{what}: it still runs"));
    assert_eq!(end.status, Status::Ok, "{what}: {end:?}");
    idle(&engine).await;
    assert_eq!(world.model.bill().len(), 2, "{what}: {:?}", world.model.bill());
    assert_eq!(world.platform.sent_to("anna").len(), 2, "{what}");
    assert!(disk.failed.load(Ordering::SeqCst) > 0, "{what}");
    engine.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_actor_and_scheduler_have_failed_ends_soon_and_once() {
    let event = json!({"kind": "systemEvent", "text": "tick"});
    let turn = json!({"kind": "agentTurn", "message": "do it"});
    for payload in [&event, &turn] {
        for first in 1..=3 {
            for second in first + 1..=4 {
                two_faults(payload, [first, second]).await;
            }
        }
    }
}

// Nobody can say what it has done, so nobody does it again, and it holds up nothing.
#[tokio::test(start_paused = true)]
async fn a_claimed_run_whose_record_is_damaged_ends_as_unknown_at_once() {
    for payload in [
        json!({"kind": "systemEvent", "text": "tick"}),
        json!({"kind": "agentTurn", "message": "do it"}),
        json!({"kind": "command", "argv": ["/bin/true"]}),
    ] {
        let mut world = World::new();
        world.settings.runs_max = 1;
        world.model.takes(5 * MINUTE);
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
        let claimed = runs(&engine, "second").remove(0);
        assert_eq!(claimed.end, None);
        world.memory.damage(&run_key(&claimed.job, claimed.run));
        tokio::time::sleep(10 * MINUTE).await;
        let after = job(&engine, "second").await.unwrap();
        assert_eq!(after.state.running, None, "{payload}: it still runs");
        let last = after.state.last.unwrap();
        assert_eq!((last.run, last.status), (claimed.run, Status::Unknown), "{payload}");
        assert_eq!(world.instants().len(), 1, "{payload}: it was not begun");
        assert_eq!(engine.load().damaged, 1);
        engine.shutdown(MINUTE).await;
    }
}

/// A life that dies at its nth commit around the instant, one without jobs, and one whose config has
/// the job's model no more; `false` once the scene is over before.
async fn without_model(commits: i64, writes_last: bool) -> bool {
    let world = World::new();
    let resend = UnsettledSends::Resend;
    let mortal = Arc::new(Mortal::new(&world.memory, writes_last));
    let builder = world.builder().provider("other", world.model.clone());
    let builder = builder.unsettled(&account(), resend);
    let engine = builder.backend(mortal.clone()).start().await.unwrap();
    greet(&engine).await;
    add(&engine, once(&json!({"kind": "agentTurn", "message": "do it", "model": "other/m"}))).await;
    tokio::time::sleep(MINUTE).await;
    mortal.dies_in(commits);
    tokio::select! {
        _ = engine.failed() => {}
        () = tokio::time::sleep(MINUTE) => {}
    }
    let died = mortal.is_dead();
    engine.shutdown(Duration::from_secs(5)).await;
    let disk = || Arc::new(world.memory.clone());
    let builder = world.without_jobs().provider("other", world.model.clone());
    let builder = builder.unsettled(&account(), resend);
    let engine = builder.backend(disk()).start().await.unwrap();
    tokio::time::sleep(MINUTE / 2).await;
    engine.shutdown(Duration::from_secs(5)).await;
    let builder = world.builder().unsettled(&account(), resend);
    let engine = builder.backend(disk()).start().await.unwrap();
    // What was on its way when the first life ended is looked for a while.
    tokio::time::sleep(HOUR).await;
    idle(&engine).await;
    let what = format!("dead at commit {commits} (written: {writes_last})");
    let end = runs(&engine, "j").remove(0).end.unwrap_or_else(|| panic!("{what}: it still runs"));
    let was_asked = !world.instants().is_empty();
    assert_eq!(end.status == Status::Ok, was_asked, "{what}: {end:?}");
    let told = &world.platform.sent_to("anna")[1..];
    assert_eq!(told.len(), usize::from(was_asked), "{what}: {told:?}");
    engine.shutdown(Duration::from_secs(5)).await;
    died
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_announced_although_the_config_has_its_model_no_more() {
    dead_at_each_commit(4, without_model).await;
}

// Its actor waits for room, and the next job of this name waits behind it.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_removed_while_its_run_waits_for_room_does_not_run_later() {
    let world = World::new();
    let builder = world.builder().limits(Limits { waiting_max: 1, ..Limits::default() });
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    greet(&engine).await;
    world.model.takes(30 * MINUTE);
    engine.inject(direct("long", "anna", "something long")).await.unwrap();
    add(&engine, once(&json!({"kind": "agentTurn", "message": "do it"}))).await;
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(runs(&engine, "j").len(), 1, "it is claimed, and waits for room");
    assert_eq!(jobs(&engine).remove(&id("j")).await, Ok(true));
    let mut again = once(&json!({"kind": "agentTurn", "message": "do it"}));
    again["schedule"]["at"] = json!(START.0 + 3_600_000);
    add(&engine, again).await;
    tokio::time::sleep(40 * MINUTE).await;
    assert_eq!(world.instants(), [""; 0], "nobody wants it any more");
    world.model.takes(Duration::ZERO);
    tokio::time::sleep(20 * MINUTE).await;
    idle(&engine).await;
    assert_eq!(world.instants(), [crate::kit::behind(HOUR)], "the next one of its name is meant");
    engine.shutdown(MINUTE).await;
}

// A disk may be full for longer than any turn takes.
#[tokio::test(start_paused = true)]
async fn an_event_that_finds_no_room_for_hours_is_told_when_there_is_some() {
    let world = World::new();
    let builder = world.builder().limits(Limits { waiting_max: 1, ..Limits::default() });
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    greet(&engine).await;
    world.model.takes(5 * HOUR);
    engine.inject(direct("long", "anna", "something long")).await.unwrap();
    add(&engine, once(&json!({"kind": "systemEvent", "text": "tick"}))).await;
    tokio::time::sleep(4 * HOUR + HOUR / 2).await;
    assert_eq!(runs(&engine, "j").remove(0).end, None, "it waits for room");
    world.model.takes(Duration::ZERO);
    tokio::time::sleep(HOUR).await;
    idle(&engine).await;
    assert_eq!(runs(&engine, "j").remove(0).end.unwrap().status, Status::Ok);
    let told = world.platform.sent_to("anna");
    assert_eq!(told.iter().filter(|text| text.ends_with("] tick")).count(), 1, "{told:?}");
    engine.shutdown(MINUTE).await;
}

/// A disk that holds up commits with records of all these kinds while it is shut.
struct Gate {
    disk: MemoryBackend,
    spaces: &'static [Space],
    is_shut: Mutex<bool>,
    opened: Condvar,
    is_reached: AtomicBool,
}

impl Gate {
    fn before(spaces: &'static [Space], disk: &MemoryBackend) -> Arc<Self> {
        let (disk, is_shut, opened) = (disk.clone(), Mutex::default(), Condvar::new());
        Arc::new(Self { disk, spaces, is_shut, opened, is_reached: AtomicBool::new(false) })
    }

    fn is_reached(&self) -> bool {
        self.is_reached.load(Ordering::SeqCst)
    }

    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }
}

impl Backend for Gate {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let puts = |space: Space| {
            writes.iter().any(|write| matches!(write, Write::Put(key, _) if key.is_in(space)))
        };
        if self.spaces.iter().all(|space| puts(*space)) {
            let shut = self.is_shut.lock().unwrap();
            self.is_reached.fetch_or(*shut, Ordering::SeqCst);
            // A test that fails must end as well.
            let limit = Duration::from_mins(1);
            drop(self.opened.wait_timeout_while(shut, limit, |is_shut| *is_shut).unwrap());
        }
        self.disk.commit(writes)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(key)
    }

    fn scan(&self, of: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.disk.scan(of, after, limit)
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.disk.tail(prefix, limit)
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), so).await.expect(what);
}

fn restarts(engine: &telson::Engine) -> u32 {
    fn find(node: &telson::supervision::Node) -> Option<u32> {
        let own = (node.id == "scheduler").then_some(node.restarts);
        own.or_else(|| node.children.iter().find_map(find))
    }
    find(&engine.tree()).unwrap()
}

// The commit is on its way, and who would have told of it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_leaves_although_the_scheduler_has_died_in_the_middle_of_it() {
    let world = World::new();
    // The turn's own answer, for web chat, is another commit.
    let gate = Gate::before(&[Space::Outbox, Space::CronRun], &world.memory);
    let engine = world.builder().blocking_backend(gate.clone()).start().await.unwrap();
    greet(&engine).await;
    add(&engine, hourly("j", json!({"mode": "announce", "channel": "last"}))).await;
    gate.set(true);
    jobs(&engine).run(&id("j"), true).await.unwrap();
    until("the announcement is on its way", || gate.is_reached()).await;
    assert!(engine.kill_actor("core/cron/scheduler"));
    until("the scheduler has died", || restarts(&engine) > 0).await;
    assert_eq!(world.platform.sent_to("anna").len(), 1);
    gate.set(false);
    until("it is announced", || world.platform.sent_to("anna").len() == 2).await;
    idle(&engine).await;
    assert_eq!(world.platform.sent_to("anna").len(), 2, "{:?}", world.platform.sent());
    assert_eq!(runs(&engine, "j").remove(0).end.unwrap().status, Status::Ok);
    engine.shutdown(MINUTE).await;
}

// To say that it may be tried again would have it run twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_run_is_told_where_nobody_knows_whether_it_was_begun() {
    let world = World::new();
    let gate = Gate::before(&[Space::CronRun], &world.memory);
    let engine = world.builder().blocking_backend(gate.clone()).start().await.unwrap();
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    gate.set(true);
    let (cron, name) = (jobs(&engine), id("j"));
    let (told, ()) = tokio::join!(cron.run(&name, true), async {
        until("the claim is on its way", || gate.is_reached()).await;
        assert!(engine.kill_actor("core/cron/scheduler"));
        until("the scheduler has died", || restarts(&engine) > 0).await;
        gate.set(false);
    });
    let told = told.unwrap_err();
    assert!(matches!(told, ChangeError::Unknown(_)), "{told:?}");
    assert!(told.to_string().contains("look at the jobs and their runs"), "{told}");
    until("it runs", || runs(&engine, "j").iter().any(|run| run.end.is_some())).await;
    assert_eq!((runs(&engine, "j").len(), world.instants().len()), (1, 1));
    engine.shutdown(MINUTE).await;
}
