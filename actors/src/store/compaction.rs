//! Keeping the database small: copy what lives to a fresh one, slice by slice, then swap.
//!
//! While the copy runs, every committed write to a key already copied is repeated in the copy;
//! keys still ahead are copied later with their newest value. So at the end both hold the same, and
//! the swap is one atomic rename of the file `CURRENT`. A crash at any moment leaves either the old
//! or the new database named, and both complete.
//!
//! sled writes a page anew whenever it splits or has gathered ten changes, so a plain copy ends at
//! more than twice its content. Here the keys of a step go in first and their values after them:
//! pages split while they are small, and the copy ends at 1.6 times its content.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::batch::Write;
use super::durable;
use super::error::StoreError;
use super::free_space::free_bytes;
use super::generation::{Generation, SEGMENT_BYTES};
use super::key::Key;
use crate::crash_point::crash_point;

/// Most keys copied per slice, and bytes at which a slice ends: some ten milliseconds of work
/// between two groups of writes, and still more than a full group adds to the old file, so that the
/// copy gains on it.
const SLICE_KEYS: usize = 600;
const SLICE_BYTES: usize = 256 * 1024;
/// Keys per step of a slice. sled applies a batch in no order, and pages are best filled in order.
const STEP_KEYS: usize = 200;
/// Growth of the file in bytes below which another copy is never worth it: one segment.
const GROWTH_MIN: u64 = SEGMENT_BYTES as u64;
/// Space in bytes that a copy leaves to the live database: it goes on being written meanwhile.
pub(super) const SPARE_BYTES: u64 = 16 * 1024 * 1024;

/// When to compact.
#[derive(Debug, Clone, Copy)]
pub struct CompactionPolicy {
    /// No compaction below this size, in bytes.
    pub bytes_min: u64,
    /// Compact when the file has grown to this many times what lives in it.
    pub growth: u64,
    /// No compaction within this time of the opening: everybody reads the disk then, to find out
    /// where they were, and people wait for it. A file of four times the size that is due does not
    /// wait, so that many short lives do not fill the disk.
    pub quiet_start: Duration,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        // Small enough for a Raspberry Pi's card, large enough to happen rarely. A flood goes on while
        // the copy is made and doubles what is there once more, so the file stays below four times
        // what lives.
        Self { bytes_min: 32 * 1024 * 1024, growth: 2, quiet_start: Duration::from_secs(10) }
    }
}

impl CompactionPolicy {
    /// Compacts a file of `bytes_min` bytes or more once it has grown to `growth` times what lives
    /// in it, from the opening on.
    pub const fn at_once(bytes_min: u64, growth: u64) -> Self {
        Self { bytes_min, growth, quiet_start: Duration::ZERO }
    }

    /// Whether a file of `bytes` with `live` bytes in it, opened `age` ago, is due. Its last copy
    /// ended at `bytes_of_copy`, zero if it is none: where copies end far above what lives, they
    /// must not follow each other without pause.
    pub fn is_due(&self, bytes: u64, live: u64, bytes_of_copy: u64, age: Duration) -> bool {
        let pause = (bytes_of_copy / 4).max(GROWTH_MIN);
        let has_paused = bytes_of_copy == 0 || bytes >= bytes_of_copy.saturating_add(pause);
        let wants_no_pause = self.growth <= 1;
        let size_due = self.bytes_min.max(live.saturating_mul(self.growth));
        let may_wait = age < self.quiet_start && bytes < size_due.saturating_mul(4);
        bytes >= size_due && (has_paused || wants_no_pause) && !may_wait
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
            fs::remove_dir_all(&path).map_err(|error| StoreError::io("remove", &path, &error))?;
        }
        let fresh = Generation::open(dir, number)?;
        crash_point("compact.started");
        Ok(Self { fresh, copied_to: None })
    }

    /// Copies the next slice; `false` when nothing is left.
    pub(super) fn copy_slice(&mut self, old: &Generation) -> Result<bool, StoreError> {
        if free_bytes(&old.path)? < SPARE_BYTES {
            return Err(StoreError::DiskFull("too little space for a second copy".into()));
        }
        let (mut keys, mut bytes) = (0, 0);
        while keys < SLICE_KEYS && bytes < SLICE_BYTES {
            let pairs = old.scan_raw(&[], self.copied_to.as_ref(), STEP_KEYS)?;
            let Some((last, _)) = pairs.last() else { break };
            self.copied_to = Some(last.clone());
            keys += pairs.len();
            bytes +=
                pairs.iter().map(|(key, value)| key.as_bytes().len() + value.len()).sum::<usize>();
            let places: Vec<Write> =
                pairs.iter().map(|(key, _)| Write::Put(key.clone(), Vec::new())).collect();
            self.fresh.apply(&places)?;
            let values: Vec<Write> =
                pairs.into_iter().map(|(key, value)| Write::Put(key, value)).collect();
            self.fresh.apply(&values)?;
        }
        if keys > 0 {
            crash_point("compact.slice");
        }
        Ok(keys > 0)
    }

    /// Repeats committed writes for keys that are already copied.
    pub(super) fn mirror(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let Some(copied_to) = &self.copied_to else { return Ok(()) };
        let passed: Vec<Write> =
            writes.iter().filter(|write| write.key() <= copied_to).cloned().collect();
        self.fresh.apply(&passed)
    }

    /// Makes a finished copy durable, and prepares its name. Until [`Compaction::name`] the old
    /// database is the live one, whatever happens.
    pub(super) fn prepare(&self, dir: &Path) -> Result<(), StoreError> {
        self.fresh.sync()?;
        prepare_current(dir, self.fresh.number)
    }

    /// Makes the prepared copy current. After an error nobody knows which database the next opening
    /// finds: nothing more may be acknowledged.
    pub(super) fn name(mut self, dir: &Path) -> Result<Generation, StoreError> {
        crash_point("compact.before_swap");
        name_current(dir)?;
        crash_point("compact.after_swap");
        self.fresh.bytes_of_copy = self.fresh.bytes();
        Ok(self.fresh)
    }
}

pub(super) fn generation_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("generation-{number}"))
}

/// The generation named by `CURRENT`; 1 in a fresh directory.
pub(super) fn current_generation(dir: &Path) -> Result<u64, StoreError> {
    let path = dir.join("CURRENT");
    let read = |reason: &str| StoreError::file("read", &path, reason);
    let number = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| read(NOT_A_NUMBER))?,
        // The first opening ended before it could name its database: nothing was acknowledged.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return if has_others(dir, 1) { Err(read(NO_NAME)) } else { Ok(1) };
        }
        Err(error) => return Err(StoreError::io("read", &path, &error)),
    };
    if !generation_dir(dir, number).join("db").exists() {
        return Err(StoreError::file("open", generation_dir(dir, number), GONE));
    }
    Ok(number)
}

const NOT_A_NUMBER: &str = "it must hold one number, the live generation";
const NO_NAME: &str = "it is gone, and several generations are there; write the number of the \
    live one into it, which is usually the largest";
const GONE: &str = "CURRENT names it, and it is not there; restore it from a backup, or move the \
    whole folder away to start empty";

fn has_others(dir: &Path, number: u64) -> bool {
    let wanted = generation_dir(dir, number);
    generations(dir).iter().any(|path| *path != wanted)
}

/// Names the live generation, durably.
pub(super) fn set_current(dir: &Path, number: u64) -> Result<(), StoreError> {
    prepare_current(dir, number)?;
    name_current(dir)
}

fn prepare_current(dir: &Path, number: u64) -> Result<(), StoreError> {
    let aside = dir.join("CURRENT.new");
    durable::write_aside(&aside, &format!("{number}\n"))
        .map_err(|error| StoreError::io("write", &aside, &error))
}

fn name_current(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join("CURRENT");
    crash_point("current.before_rename");
    fs::rename(dir.join("CURRENT.new"), &path)
        .map_err(|error| StoreError::io("write", &path, &error))?;
    durable::sync(dir).map_err(|error| StoreError::file("sync", dir, error))
}

/// Removes generations that are not live: leftovers of a compaction, finished or not.
pub(super) fn remove_others(dir: &Path, live: u64) {
    let live = generation_dir(dir, live);
    for path in generations(dir).into_iter().filter(|path| *path != live) {
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "old generation not removed");
        }
    }
}

fn generations(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_generation = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("generation-"))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_generation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // L1: the file is bounded by what lives in it, and copies do not follow each other without pause.
    #[test]
    fn a_copy_is_due_by_what_lives() {
        let mb = |count: u64| count * 1024 * 1024;
        let policy = CompactionPolicy::default();
        let late = policy.quiet_start;
        assert!(!policy.is_due(mb(31), 0, 0, late), "small");
        assert!(policy.is_due(mb(32), mb(16), 0, late));
        assert!(!policy.is_due(mb(100), mb(51), 0, late), "most of it lives");
        // The last copy has ended far above what lives.
        assert!(!policy.is_due(mb(100), mb(10), mb(90), late));
        assert!(policy.is_due(mb(113), mb(10), mb(90), late));
        // The start of a life is left to those who read, unless the file has outgrown all bounds.
        let early = late.saturating_sub(Duration::from_millis(1));
        assert!(!policy.is_due(mb(127), mb(16), 0, early));
        assert!(policy.is_due(mb(128), mb(16), 0, early));
        assert!(!policy.is_due(mb(199), mb(25), 0, early));
        let always = CompactionPolicy::at_once(0, 1);
        assert!(always.is_due(mb(90), mb(10), mb(90), Duration::ZERO));
    }
}
