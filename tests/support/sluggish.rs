//! A disk that takes its time with every commit, once it is told so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use telson_actors::store::{Backend, Key, MemoryBackend, Pair, StoreError, Write};

/// How long a commit takes then; everything else has long happened.
const COMMIT_TAKES: Duration = Duration::from_millis(300);

/// See the module.
pub(crate) struct Sluggish {
    disk: MemoryBackend,
    is_slow: AtomicBool,
}

impl Sluggish {
    pub(crate) fn new(disk: &MemoryBackend) -> Self {
        Self { disk: disk.clone(), is_slow: AtomicBool::new(false) }
    }

    /// From now on every commit takes its time.
    pub(crate) fn slows_down(&self) {
        self.is_slow.store(true, Ordering::SeqCst);
    }
}

impl Backend for Sluggish {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        if self.is_slow.load(Ordering::SeqCst) {
            // The thread of the disk itself: nobody else waits in it.
            std::thread::sleep(COMMIT_TAKES);
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
