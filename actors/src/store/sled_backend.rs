//! sled behind the seam: one tree, one batch per group, flush plus `fdatasync`.
//!
//! Three facts about sled 0.34.7 shape this file. Its `flush_async` deadlocks with seven or more
//! callers, so only the blocking `flush` is called, by one thread. On Linux its `flush` calls
//! `sync_file_range`, which survives a killed process but not a power loss, so the database file is
//! synced behind it. Its file only grows, so live data is copied to a fresh database from time to
//! time (`compaction`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use super::backend::{Backend, Pair};
use super::batch::Write;
use super::compaction::{self, Compaction, CompactionPolicy};
use super::error::StoreError;
use super::key::Key;
use super::lock;
use crate::crash_point::crash_point;

/// Page cache of one database. The working set of a personal gateway is far smaller.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// A sled database in a directory of generations; `CURRENT` names the live one.
pub(super) struct SledBackend {
    dir: PathBuf,
    policy: CompactionPolicy,
    current: RwLock<Generation>,
    compaction: Mutex<Option<Compaction>>,
}

/// One sled database and the descriptor its syncs go through.
pub(super) struct Generation {
    pub(super) number: u64,
    db: sled::Db,
    file: File,
    path: PathBuf,
    /// Size right after it was opened or compacted, the measure of growth.
    pub(super) bytes_at_start: u64,
}

impl SledBackend {
    pub(super) fn open(dir: &Path, policy: CompactionPolicy) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|error| StoreError::file("create", dir, error))?;
        let number = compaction::current_generation(dir)?;
        let generation = Generation::open(dir, number)?;
        crash_point("open.before_current");
        compaction::set_current(dir, number)?;
        crash_point("open.before_cleanup");
        compaction::remove_others(dir, number);
        Ok(Self {
            dir: dir.to_owned(),
            policy,
            current: RwLock::new(generation),
            compaction: Mutex::new(None),
        })
    }

    fn with_current<T>(&self, read: impl FnOnce(&Generation) -> T) -> T {
        read(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generation {
    pub(super) fn open(dir: &Path, number: u64) -> Result<Self, StoreError> {
        let path = compaction::generation_dir(dir, number);
        let failed = |error: &dyn std::fmt::Display| StoreError::file("open", &path, error);
        let config = sled::Config::new()
            .path(&path)
            .cache_capacity(CACHE_BYTES)
            // The committer flushes; a timer beside it would only steal the disk.
            .flush_every_ms(None);
        // sled locks its file too. The directory is ours already, so whoever still holds that lock
        // is about to let go: a child process between its fork and its exec.
        let db =
            lock::with_patience(|| config.open(), is_lock_held).map_err(|error| failed(&error))?;
        let file = File::open(path.join("db")).map_err(|error| failed(&error))?;
        let bytes_at_start = file.metadata().map_or(0, |meta| meta.len());
        Ok(Self { number, db, file, path, bytes_at_start })
    }

    pub(super) fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for write in writes {
            match write {
                Write::Put(key, value) => batch.insert(key.as_bytes(), value.as_slice()),
                Write::Delete(key) => batch.remove(key.as_bytes()),
            }
        }
        self.db.apply_batch(batch).map_err(database)
    }

    /// Returns when everything applied is safe against a power loss.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(database)?;
        self.file.sync_data().map_err(|error| StoreError::file("sync", self.path.join("db"), error))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }

    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let pairs = match after {
            None => self.db.scan_prefix(prefix),
            Some(after) => self.db.range(behind(after)..),
        };
        pairs
            .take(limit)
            .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
            .map(|pair| {
                let (key, value) = pair.map_err(database)?;
                Ok((Key::from_bytes(&key), value.to_vec()))
            })
            .collect()
    }
}

/// The smallest key greater than `key`.
fn behind(key: &Key) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// sled tells a held lock only by its text.
fn is_lock_held(opened: &sled::Result<sled::Db>) -> bool {
    opened.as_ref().is_err_and(|error| error.to_string().contains("could not acquire lock"))
}

fn database(error: sled::Error) -> StoreError {
    StoreError::Database(error.to_string())
}

impl Backend for SledBackend {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.apply(writes)?;
        self.sync()
    }

    fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut compaction = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        self.with_current(|current| current.apply(writes))?;
        if let Some(compaction) = compaction.as_mut() {
            compaction.mirror(writes)?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.with_current(Generation::sync)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.with_current(|current| current.db.get(key.as_bytes()))
            .map(|value| value.map(|value| value.to_vec()))
            .map_err(database)
    }

    fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.with_current(|current| current.scan(prefix.as_bytes(), after, limit))
    }

    fn tail(&self, prefix: &Key, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = self.with_current(|current| {
            current
                .db
                .scan_prefix(prefix.as_bytes())
                .rev()
                .take(limit)
                .map(|pair| {
                    let (key, value) = pair.map_err(database)?;
                    Ok((Key::from_bytes(&key), value.to_vec()))
                })
                .collect::<Result<Vec<Pair>, StoreError>>()
        })?;
        pairs.reverse();
        Ok(pairs)
    }

    fn upkeep(&self) -> Result<bool, StoreError> {
        let mut slot = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(compaction) = slot.as_mut() else {
            let due = self.with_current(|current| {
                self.policy.is_due(current.bytes(), current.bytes_at_start)
            });
            if due {
                let next = self.with_current(|current| current.number + 1);
                *slot = Some(Compaction::start(&self.dir, next)?);
            }
            return Ok(due);
        };
        if self.with_current(|current| compaction.copy_slice(current))? {
            return Ok(true);
        }
        if let Some(compaction) = slot.take() {
            let fresh = compaction.finish(&self.dir)?;
            let number = fresh.number;
            let old = {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *current, fresh)
            };
            tracing::info!(from = old.bytes(), generation = number, "store compacted");
            drop(old);
            crash_point("compact.before_cleanup");
            compaction::remove_others(&self.dir, number);
        }
        Ok(false)
    }

    fn disk_bytes(&self) -> u64 {
        self.with_current(Generation::bytes)
    }
}
