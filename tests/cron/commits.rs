//! The disk dies at each commit of a scene with a job, before or after it has written; the next
//! life goes on with what is there. No instant is announced twice, and none is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use telson_actors::outbox::UnsettledSends;
use telson_actors::store::{Backend, Key, MemoryBackend, Pair, StoreError, Write};

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, greet, id, jobs};
use crate::support::{account, idle};

/// A disk that dies at its nth commit from now on.
pub(crate) struct Mortal {
    disk: MemoryBackend,
    left: AtomicI64,
    /// Whether the last commit is still written, though nobody hears of it.
    writes_last: bool,
    is_dead: AtomicBool,
}

impl Mortal {
    pub(crate) fn new(disk: &MemoryBackend, writes_last: bool) -> Self {
        let (left, is_dead) = (AtomicI64::new(i64::MAX), AtomicBool::new(false));
        Self { disk: disk.clone(), left, writes_last, is_dead }
    }

    pub(crate) fn dies_in(&self, commits: i64) {
        self.left.store(commits, Ordering::SeqCst);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }
}

impl Backend for Mortal {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let dead = || StoreError::Database("the disk has died".into());
        if self.is_dead() {
            return Err(dead());
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) > 1 {
            return self.disk.commit(writes);
        }
        self.is_dead.store(true, Ordering::SeqCst);
        if self.writes_last {
            self.disk.commit(writes)?;
        }
        Err(dead())
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
    for writes_last in [false, true] {
        let mut commits = 1;
        while scene(commits, writes_last).await {
            commits += 1;
        }
        // Claim, admission, turn, end and receipt of two runs.
        assert!(commits > 8, "{commits}");
    }
}
