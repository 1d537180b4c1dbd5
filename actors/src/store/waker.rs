//! Wakes a flush that waits for ever.
//!
//! When one of sled's background writes fails, sled notes the error, but not every path wakes the
//! thread that waits for that write. Any later flush does: it sees the error and wakes all. So a
//! thread of ours looks at the note once a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a flush may wait in vain. A failure is rare, the look is cheap.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks after one database until it is dropped.
pub(super) struct Waker {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Waker {
    /// `config` is the one the database was opened with: both know of the same error.
    pub(super) fn start(config: sled::Config, db: sled::Db) -> std::io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let is_over = ended.clone();
        let thread = std::thread::Builder::new().name("store-waker".into()).spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK_EVERY);
                if config.global_error().is_err() {
                    // The error itself reaches the committer.
                    drop(db.flush());
                    return;
                }
            }
        })?;
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the waker thread of the store panicked");
            }
        }
    }
}
