//! Keeping the database small: copy what lives to a fresh one, slice by slice, then swap.
//!
//! While the copy runs, every committed write to a key already copied is repeated in the copy;
//! keys still ahead are copied later with their newest value. So at the end both hold the same, and
//! the swap is one atomic rename of the file `CURRENT`. A crash at any moment leaves either the old
//! or the new database named, and both complete.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::batch::Write;
use super::error::StoreError;
use super::key::Key;
use super::sled_backend::Generation;
use crate::crash_point::crash_point;

/// Keys copied per slice: a few milliseconds of work between two groups of writes.
const SLICE_KEYS: usize = 500;

/// When to compact.
#[derive(Debug, Clone, Copy)]
pub struct CompactionPolicy {
    /// No compaction below this size, in bytes.
    pub bytes_min: u64,
    /// Compact when the file has grown to this many times its size after the last compaction.
    pub growth: u64,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        // Small enough for a Raspberry Pi's card, large enough to happen rarely.
        Self { bytes_min: 48 * 1024 * 1024, growth: 3 }
    }
}

impl CompactionPolicy {
    /// Whether a file of `bytes` that started with `bytes_at_start` is due.
    pub fn is_due(&self, bytes: u64, bytes_at_start: u64) -> bool {
        bytes >= self.bytes_min && bytes >= bytes_at_start.saturating_mul(self.growth)
    }
}

/// A copy in progress.
pub(super) struct Compaction {
    fresh: Generation,
    /// Everything up to here is copied.
    copied_to: Option<Key>,
}

impl Compaction {
    pub(super) fn start(dir: &Path, number: u64) -> Result<Self, StoreError> {
        let path = generation_dir(dir, number);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|error| StoreError::file("remove", &path, error))?;
        }
        let fresh = Generation::open(dir, number)?;
        crash_point("compact.started");
        Ok(Self { fresh, copied_to: None })
    }

    /// Copies the next slice; `false` when nothing is left.
    pub(super) fn copy_slice(&mut self, old: &Generation) -> Result<bool, StoreError> {
        let pairs = old.scan(&[], self.copied_to.as_ref(), SLICE_KEYS)?;
        let Some((last, _)) = pairs.last() else {
            return Ok(false);
        };
        self.copied_to = Some(last.clone());
        let writes: Vec<Write> =
            pairs.into_iter().map(|(key, value)| Write::Put(key, value)).collect();
        self.fresh.apply(&writes)?;
        crash_point("compact.slice");
        Ok(true)
    }

    /// Repeats committed writes for keys that are already copied.
    pub(super) fn mirror(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let Some(copied_to) = &self.copied_to else { return Ok(()) };
        let passed: Vec<Write> =
            writes.iter().filter(|write| write.key() <= copied_to).cloned().collect();
        self.fresh.apply(&passed)
    }

    /// Makes the copy durable and current.
    pub(super) fn finish(mut self, dir: &Path) -> Result<Generation, StoreError> {
        self.fresh.sync()?;
        crash_point("compact.before_swap");
        set_current(dir, self.fresh.number)?;
        crash_point("compact.after_swap");
        self.fresh.bytes_at_start = self.fresh.bytes();
        Ok(self.fresh)
    }
}

pub(super) fn generation_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("generation-{number}"))
}

/// The generation named by `CURRENT`; 1 in a fresh directory.
pub(super) fn current_generation(dir: &Path) -> Result<u64, StoreError> {
    let path = dir.join("CURRENT");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            StoreError::file("read", &path, "it must hold one number, the live generation")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(1),
        Err(error) => Err(StoreError::file("read", &path, error)),
    }
}

/// Names the live generation: write aside, sync, rename, sync the directory.
pub(super) fn set_current(dir: &Path, number: u64) -> Result<(), StoreError> {
    let (path, aside) = (dir.join("CURRENT"), dir.join("CURRENT.new"));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&aside)?;
        writeln!(file, "{number}")?;
        file.sync_all()?;
        crash_point("current.before_rename");
        fs::rename(&aside, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| StoreError::file("write", &path, error))
}

/// Removes generations that are not live: leftovers of a compaction, finished or not.
pub(super) fn remove_others(dir: &Path, live: u64) {
    let live = generation_dir(dir, live);
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_generation =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("generation-"));
        if is_generation
            && path != live
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "old generation not removed");
        }
    }
}
