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

use super::backend::{Backend, Pair};
use super::batch::Write;
use super::compaction::{self, Compaction, CompactionPolicy};
use super::error::StoreError;
use super::generation::{Generation, SEGMENT_BYTES};
use super::key::Key;
use super::seal::Seal;
use super::{commits, durable, rescue};
use crate::crash_point::crash_point;

/// How the system's answer ends when a disk is full (ENOSPC); sled hands errors on as text.
const NO_SPACE: &str = "(os error 28)";

/// A sled database in a directory of generations; `CURRENT` names the live one.
pub(super) struct SledBackend {
    dir: PathBuf,
    policy: CompactionPolicy,
    current: RwLock<Generation>,
    work: Mutex<Work>,
    /// Set when nobody knows any more which generation the next opening will find.
    lost_track: AtomicBool,
}

/// What the one writer keeps.
struct Work {
    seal: Seal,
    commits: File,
    compaction: Option<Compaction>,
}

impl SledBackend {
    /// Opens the database; with `accept_loss` also one that has lost something.
    pub(super) fn open(
        dir: &Path,
        policy: CompactionPolicy,
        accept_loss: bool,
    ) -> Result<Self, StoreError> {
        durable::create_dir(dir).map_err(|error| StoreError::file("create", dir, error))?;
        let number = compaction::current_generation(dir)?;
        let opened = rescue::open(dir, number, accept_loss)?;
        let work = Work { seal: opened.seal, commits: commits::open(dir)?, compaction: None };
        let backend = Self {
            dir: dir.to_owned(),
            policy,
            current: RwLock::new(opened.generation),
            work: Mutex::new(work),
            lost_track: AtomicBool::new(false),
        };
        for orphan in opened.orphans {
            backend.write_raw(&mut backend.work(), vec![Write::Delete(orphan)])?;
            backend.sync_raw(&backend.work())?;
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
        let stamp = work.seal.commits;
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
        let (raw, seal) = self.with_current(|current| {
            let (raw, seal) = current.sealed(writes, work.seal)?;
            current.apply(&raw)?;
            Ok((raw, seal))
        })?;
        work.seal = seal;
        match work.compaction.as_mut() {
            Some(compaction) => compaction.mirror(&raw),
            None => Ok(()),
        }
    }

    fn sync_raw(&self, work: &Work) -> Result<(), StoreError> {
        self.with_current(Generation::sync)?;
        // Behind the sync: the count must not run ahead of what is there.
        commits::write(&work.commits, work.seal.commits);
        Ok(())
    }

    /// Remembers a failure for the next opening.
    fn noted(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        result.inspect_err(|error| {
            // A full disk refuses a write; what it has taken before is not in doubt.
            if !error.to_string().contains(NO_SPACE) {
                rescue::mark_suspect(&self.dir, &error.to_string());
            }
        })
    }

    /// Makes a finished copy the live database.
    fn swap(&self, compaction: Compaction) -> Result<(), StoreError> {
        let ready = compaction.ready(&self.dir)?;
        let fresh = ready.name(&self.dir).inspect_err(|_| {
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
            let due = self.with_current(|current| {
                self.policy.is_due(current.bytes(), current.bytes_at_start)
                    || current.segment_bytes != SEGMENT_BYTES
            });
            if due {
                let next = self.with_current(|current| current.number + 1);
                work.compaction = Some(Compaction::start(&self.dir, next)?);
            }
            return Ok(due);
        };
        if self.with_current(|current| compaction.copy_slice(current))? {
            return Ok(true);
        }
        if let Some(compaction) = work.compaction.take() {
            self.swap(compaction)?;
        }
        Ok(false)
    }

    fn disk_bytes(&self) -> u64 {
        self.with_current(Generation::bytes)
    }

    fn kept(&self) -> Vec<PathBuf> {
        rescue::kept(&self.dir)
    }
}
