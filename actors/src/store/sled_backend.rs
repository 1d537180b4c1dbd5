//! sled behind the seam: one tree, one batch per group, flush plus `fdatasync`.
//!
//! What sled 0.34.7 does shapes this file and its neighbours. Its `flush_async` deadlocks with
//! seven or more callers, so only the blocking `flush` is called, by one thread. On Linux its
//! `flush` calls `sync_file_range`, which survives a killed process but not a power loss, so the
//! database file is synced behind it. Its file only grows, so live data is copied to a fresh
//! database from time to time (`compaction`). Large pages go to files it never syncs, so there are
//! none (`parts`). It drops what it can't read, so every commit seals the content (`seal`), and a
//! database in doubt is opened as a copy (`rescue`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use tokio::time::Instant;

use super::backend::{Backend, Pair};
use super::batch::Write;
use super::compaction::{self, Compaction, CompactionPolicy};
use super::error::StoreError;
use super::free_space::free_bytes;
use super::generation::{Generation, SEGMENT_BYTES, Sealed};
use super::key::Key;
use super::{commits, durable, rescue, reserve};
use crate::crash_point::crash_point;

/// A second on a busy machine, a day on an idle one: as often as there is something to gain.
const WRITES_BEFORE_ANOTHER_COPY: u32 = 1000;

/// A sled database in a directory of generations; `CURRENT` names the live one.
pub(super) struct SledBackend {
    dir: PathBuf,
    policy: CompactionPolicy,
    opened: Instant,
    current: RwLock<Generation>,
    work: Mutex<Work>,
    /// Set when nobody knows any more which generation the next opening will find.
    lost_track: AtomicBool,
}

/// What the one writer keeps.
struct Work {
    sealed: Sealed,
    commits: File,
    compaction: Option<Compaction>,
    /// Writes until a copy that came to nothing is tried again.
    pause: u32,
}

impl SledBackend {
    /// Opens the database; with `accept_loss` also one that has lost something.
    pub(super) fn open(
        dir: &Path,
        policy: CompactionPolicy,
        accept_loss: bool,
    ) -> Result<Self, StoreError> {
        durable::create_dir(dir).map_err(|error| StoreError::io("create", dir, &error))?;
        let number = compaction::current_generation(dir)?;
        let opened = rescue::open(dir, number, accept_loss).inspect_err(|error| {
            use_reserve(dir, error);
            if error.is_disk_full() {
                // Half a copy is the first thing a full disk can do without.
                compaction::remove_others(dir, number);
            }
        })?;
        let commits = commits::open(dir).inspect_err(|error| use_reserve(dir, error))?;
        let work = Work { sealed: opened.sealed, commits, compaction: None, pause: 0 };
        let backend = Self {
            dir: dir.to_owned(),
            policy,
            opened: Instant::now(),
            current: RwLock::new(opened.generation),
            work: Mutex::new(work),
            lost_track: AtomicBool::new(false),
        };
        for orphan in opened.orphans {
            backend.noted(backend.remove(orphan))?;
        }
        Ok(backend)
    }

    fn with_current<T>(&self, read: impl FnOnce(&Generation) -> T) -> T {
        read(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, work: &mut Work, writes: &[Write], syncs: bool) -> Result<(), StoreError> {
        if self.lost_track.load(Ordering::Acquire) {
            return Err(StoreError::Database("a compaction failed half-way".into()));
        }
        let stamp = work.sealed.seal.commits;
        let plan = self.with_current(|current| current.plan(writes, stamp))?;
        let is_whole = plan.before.is_empty() && plan.after.is_empty();
        // Each part by itself: so little is written between two syncs.
        for part in plan.before {
            self.write_raw(work, vec![part])?;
            self.sync_raw(work)?;
        }
        self.write_raw(work, plan.visible)?;
        if syncs || !is_whole {
            self.sync_raw(work)?;
        }
        for part in plan.after {
            self.write_raw(work, vec![part])?;
            self.sync_raw(work)?;
        }
        Ok(())
    }

    fn write_raw(&self, work: &mut Work, writes: Vec<Write>) -> Result<(), StoreError> {
        let (raw, sealed) = self.with_current(|current| {
            let (raw, sealed) = current.sealed(writes, work.sealed)?;
            current.apply(&raw)?;
            Ok((raw, sealed))
        })?;
        work.sealed = sealed;
        work.pause = work.pause.saturating_sub(1);
        if let Some(compaction) = work.compaction.as_mut()
            && let Err(error) = compaction.mirror(&raw)
        {
            self.give_up_copy(work, &error);
        }
        Ok(())
    }

    fn remove(&self, key: Key) -> Result<(), StoreError> {
        let mut work = self.work();
        self.write_raw(&mut work, vec![Write::Delete(key)])?;
        self.sync_raw(&work)
    }

    fn sync_raw(&self, work: &Work) -> Result<(), StoreError> {
        self.with_current(Generation::sync)?;
        // Behind the sync: the count must not run ahead of what is there.
        commits::write(&work.commits, work.sealed.seal.commits);
        Ok(())
    }

    /// Remembers a failure for the next opening.
    fn noted(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        result.inspect_err(|error| {
            // A full disk refuses a write; what it has taken before is not in doubt.
            if error.is_disk_full() {
                use_reserve(&self.dir, error);
            } else {
                rescue::mark_suspect(&self.dir, &error.to_string());
            }
        })
    }

    /// Starts a copy if one is wanted and the disk can hold both.
    fn compact_if_due(&self, work: &mut Work) -> bool {
        let live = work.sealed.bytes;
        let (number, is_due) = self.with_current(|current| {
            let (bytes, age) = (current.bytes(), self.opened.elapsed());
            let is_due = self.policy.is_due(bytes, live, current.bytes_of_copy, age)
                || current.segment_bytes != SEGMENT_BYTES;
            (current.number, is_due)
        });
        if !is_due || work.pause > 0 {
            return false;
        }
        let needed = live.saturating_mul(2).saturating_add(compaction::SPARE_BYTES);
        let started = free_bytes(&self.dir).and_then(|free| {
            if free < needed {
                let lack = format!("{free} bytes are free, a second copy needs {needed}");
                return Err(StoreError::DiskFull(lack));
            }
            Compaction::start(&self.dir, number + 1)
        });
        match started {
            Ok(compaction) => {
                work.compaction = Some(compaction);
                true
            }
            Err(error) => {
                self.give_up_copy(work, &error);
                false
            }
        }
    }

    /// The live database is complete without the copy. It is tried again, but not at once: a copy
    /// that can't succeed must not keep the disk busy.
    fn give_up_copy(&self, work: &mut Work, error: &StoreError) {
        let (number, bytes) = self.with_current(|current| (current.number, current.bytes()));
        tracing::warn!(%error, bytes, "the store is not compacted; it will be tried again");
        drop(work.compaction.take());
        compaction::remove_others(&self.dir, number);
        work.pause = WRITES_BEFORE_ANOTHER_COPY;
    }

    /// Makes a prepared copy the live database.
    fn swap(&self, compaction: Compaction) -> Result<(), StoreError> {
        let fresh = compaction.name(&self.dir).inspect_err(|_| {
            self.lost_track.store(true, Ordering::Release);
        })?;
        let number = fresh.number;
        let old = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, fresh)
        };
        tracing::info!(from = old.bytes(), generation = number, "store compacted");
        drop(old);
        crash_point("compact.before_cleanup");
        compaction::remove_others(&self.dir, number);
        Ok(())
    }
}

/// On a full disk the space set aside is what the next opening works with.
fn use_reserve(dir: &Path, error: &StoreError) {
    if error.is_disk_full() {
        reserve::release(dir);
    }
}

impl Backend for SledBackend {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.noted(self.write(&mut self.work(), writes, true))
    }

    fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.noted(self.write(&mut self.work(), writes, false))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.noted(self.sync_raw(&self.work()))
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.with_current(|current| current.get(key))
    }

    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.with_current(|current| {
            let pairs = current.scan_raw(prefix.as_bytes(), after, limit)?;
            pairs.into_iter().map(|pair| current.whole(pair)).collect()
        })
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.with_current(|current| {
            let pairs = current.tail_raw(prefix.as_bytes(), limit)?;
            pairs.into_iter().map(|pair| current.whole(pair)).collect()
        })
    }

    fn upkeep(&self) -> Result<bool, StoreError> {
        let mut work = self.work();
        let Some(compaction) = work.compaction.as_mut() else {
            return Ok(self.compact_if_due(&mut work));
        };
        let copied = self.with_current(|current| compaction.copy_slice(current)).and_then(|more| {
            if !more {
                compaction.prepare(&self.dir)?;
            }
            Ok(more)
        });
        match copied {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => {
                self.give_up_copy(&mut work, &error);
                return Ok(false);
            }
        }
        if let Some(compaction) = work.compaction.take() {
            self.swap(compaction)?;
        }
        Ok(false)
    }

    fn disk_bytes(&self) -> u64 {
        self.with_current(Generation::bytes)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        free_bytes(&self.dir).map(Some)
    }

    fn wants_reserve(&self) -> bool {
        !reserve::is_whole(&self.dir)
    }

    fn keep_reserve(&self) -> Result<(), StoreError> {
        reserve::keep(&self.dir)
    }

    fn kept(&self) -> Vec<PathBuf> {
        rescue::kept(&self.dir)
    }
}
