//! A disk that dies at a commit, before or after it has written, and a scene that is played with a
//! death at each of its commits.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use telson_actors::store::{Backend, Key, MemoryBackend, Pair, StoreError, Write};

/// A disk that dies at its nth commit from some moment on; until it is told so it lives.
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

/// Plays a scene with a death at its first commit, its second and so on, until it is over before:
/// `scene` answers whether the disk has died. There are at least `deaths_min` commits to die at.
pub(crate) async fn dead_at_each_commit(deaths_min: i64, scene: impl AsyncFn(i64, bool) -> bool) {
    /// More commits than any scene makes.
    const COMMITS_MAX: i64 = 100;
    for writes_last in [false, true] {
        let mut commits = 1;
        while scene(commits, writes_last).await {
            commits += 1;
            assert!(commits < COMMITS_MAX, "the scene ends");
        }
        assert!(commits > deaths_min, "the scene has commits to die at: {commits}");
    }
}
