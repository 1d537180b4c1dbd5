//! One sled database, and the descriptor its syncs go through.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backend::Pair;
use super::batch::Write;
use super::codec::{decode, encode};
use super::error::StoreError;
use super::key::{Key, Space};
use super::seal::{Content, Seal};
use super::waker::Waker;
use super::{compaction, durable, lock, parts};

/// Page cache of one database. The working set of a personal gateway is far smaller.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A segment of sled's log.
///
/// sled counts on what it has written being on the disk, and notes so in the header of the next
/// segment but one. What it writes between two syncs must therefore not fill a whole segment, or
/// the disk may keep the note and lose what it is about. The bound on a group of writes
/// ([`GROUP_BYTES_MAX`]) times the worst that sled makes of it (every value rewrites its page twice,
/// forty values) stays below this.
pub(super) const SEGMENT_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of values between two syncs.
pub(super) const GROUP_BYTES_MAX: usize = 64 * 1024;

/// See the module.
pub(super) struct Generation {
    pub(super) number: u64,
    // Dropped first: it holds the database too.
    _waker: Waker,
    db: sled::Db,
    // Dropped behind `db`, so that closing happens here.
    _closing: Closing,
    file: File,
    pub(super) path: PathBuf,
    /// Set by a failure that is no lack of space.
    failed: AtomicBool,
    /// Of its log.
    pub(super) segment_bytes: usize,
    /// Size when it was finished as a copy; zero if it is none, or not of this life.
    pub(super) bytes_of_copy: u64,
}

impl Generation {
    /// Opens or creates it; its files and their names are durable then.
    ///
    /// # Errors
    /// [`StoreError::Database`] where sled does not like the content, else [`StoreError::File`].
    pub(super) fn open(dir: &Path, number: u64) -> Result<Self, StoreError> {
        let path = compaction::generation_dir(dir, number);
        let failed = |error: std::io::Error| StoreError::io("open", &path, &error);
        durable::create_dir(&path).map_err(failed)?;
        remove_unfinished_snapshots(&path).map_err(failed)?;
        let segment_bytes = segment_bytes(&path);
        let config = sled::Config::new()
            .path(&path)
            .segment_size(segment_bytes)
            .cache_capacity(CACHE_BYTES)
            // The committer flushes; a timer beside it would only steal the disk.
            .flush_every_ms(None);
        // sled locks its file too. The directory is ours already, so whoever still holds that lock
        // is about to let go: a child process between its fork and its exec.
        let opened = lock::with_patience(|| without_panic(|| config.open()), is_lock_held)?;
        let db = opened.map_err(|error| match error {
            sled::Error::Io(error) => failed(error),
            error => StoreError::Database(error.to_string()),
        })?;
        // sled syncs neither its config nor the names of its files.
        durable::sync(&path.join("conf"))
            .and_then(|()| durable::sync(&path.join("blobs")))
            .and_then(|()| durable::sync(&path))
            .map_err(|error| StoreError::file("sync", &path, error))?;
        let file = File::open(path.join("db")).map_err(failed)?;
        let waker = Waker::start(config, db.clone())
            .map_err(|error| StoreError::Database(format!("no waker thread: {error}")))?;
        let closing = Closing(Some(db.clone()));
        Ok(Self {
            number,
            _waker: waker,
            db,
            _closing: closing,
            file,
            path,
            failed: AtomicBool::new(false),
            segment_bytes,
            bytes_of_copy: 0,
        })
    }

    /// Applies raw writes.
    pub(super) fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for write in writes {
            match write {
                Write::Put(key, value) => batch.insert(key.as_bytes(), value.as_slice()),
                Write::Delete(key) => batch.remove(key.as_bytes()),
            }
        }
        self.noted(self.db.apply_batch(batch).map_err(database))
    }

    /// Returns when everything applied is safe against a power loss.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let flushed = self.db.flush().map(drop).map_err(database);
        self.noted(flushed.and_then(|()| {
            let synced = self.file.sync_data();
            synced.map_err(|error| StoreError::file("sync", self.path.join("db"), error))
        }))
    }

    fn noted(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        if result.as_ref().is_err_and(|error| !error.is_disk_full()) {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }

    /// What a group of writes is in the database.
    pub(super) fn plan(&self, writes: &[Write], stamp: u64) -> Result<Plan, StoreError> {
        let mut last: BTreeMap<&Key, Option<&[u8]>> = BTreeMap::new();
        for write in writes {
            match write {
                Write::Put(key, value) => last.insert(key, Some(value)),
                Write::Delete(key) => last.insert(key, None),
            };
        }
        let mut plan = Plan::default();
        for (key, value) in last {
            if let Some(before) = self.db.get(key.as_bytes()).map_err(database)? {
                let parts = parts::part_keys(key, &before);
                plan.after.extend(parts.into_iter().map(Write::Delete));
            }
            match value {
                None => plan.visible.push(Write::Delete(key.clone())),
                Some(value) => {
                    let (head, parts) = parts::split(key, value, stamp);
                    plan.before.extend(parts);
                    plan.visible.push(Write::Put(key.clone(), head));
                }
            }
        }
        Ok(plan)
    }

    /// Adds to raw writes, one per key, the seal over their outcome.
    pub(super) fn sealed(
        &self,
        mut writes: Vec<Write>,
        before: Sealed,
    ) -> Result<(Vec<Write>, Sealed), StoreError> {
        let Sealed { seal: Seal { commits, mut content }, mut bytes } = before;
        for write in &writes {
            let key = write.key().as_bytes();
            if let Some(value) = self.db.get(key).map_err(database)? {
                content.remove(key, &value);
                bytes = bytes.saturating_sub(size(key, &value));
            }
            if let Write::Put(_, value) = write {
                content.add(key, value);
                bytes += size(key, value);
            }
        }
        let seal = Seal { commits: commits + 1, content };
        let key = seal_key();
        let value = encode(&key, &seal);
        writes.push(Write::Put(key, value));
        Ok((writes, Sealed { seal, bytes }))
    }

    /// Reads everything: what is there, and what the seal says of it.
    pub(super) fn audit(&self) -> Result<Audit, StoreError> {
        let (mut audit, key) = (Audit::default(), seal_key());
        without_panic(|| {
            for pair in self.db.iter() {
                let (its_key, value) = pair.map_err(database)?;
                if *its_key == *key.as_bytes() {
                    let read = decode::<Seal>(&key, &value);
                    audit.seal =
                        Some(read.map_err(|error| StoreError::Database(error.to_string()))?);
                    continue;
                }
                audit.content.add(&its_key, &value);
                audit.bytes += size(&its_key, &value);
                let its_key = Key::from_bytes(&its_key);
                if its_key.is_in(Space::Part) {
                    audit.orphans.insert(its_key);
                } else {
                    for part in parts::part_keys(&its_key, &value) {
                        audit.orphans.remove(&part);
                    }
                }
            }
            Ok(audit)
        })?
    }

    /// Raw pairs, also of the store's own spaces.
    pub(super) fn scan_raw(
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

    /// The last raw pairs under a prefix, in key order.
    pub(super) fn tail_raw(&self, prefix: &[u8], limit: usize) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.db.scan_prefix(prefix).rev().take(limit);
        let mut pairs = pairs
            .map(|pair| {
                let (key, value) = pair.map_err(database)?;
                Ok((Key::from_bytes(&key), value.to_vec()))
            })
            .collect::<Result<Vec<Pair>, StoreError>>()?;
        pairs.reverse();
        Ok(pairs)
    }

    /// The value that a raw pair stands for. A missing part leaves a value that no checksum fits.
    pub(super) fn whole(&self, (key, stored): Pair) -> Result<Pair, StoreError> {
        if !parts::is_split(&stored) {
            return Ok((key, stored));
        }
        let mut value = Vec::new();
        for part in parts::part_keys(&key, &stored) {
            if let Some(part) = self.db.get(part.as_bytes()).map_err(database)? {
                value.extend_from_slice(&part);
            }
        }
        Ok((key, value))
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(stored) = self.db.get(key.as_bytes()).map_err(database)? else { return Ok(None) };
        self.whole((key.clone(), stored.to_vec())).map(|(_, value)| Some(value))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if *self.failed.get_mut() {
            // Another flush would fail as well, or wait for ever.
            return;
        }
        // While somebody still looks after it: sled's own last flush could wait for ever.
        if let Err(error) = without_panic(|| self.db.flush()) {
            tracing::warn!(%error, "the last flush failed");
        }
    }
}

/// What lives in a database: what its newest seal says, and how long keys and values are together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed {
    pub(super) seal: Seal,
    /// Known since the opening, which reads everything; stored nowhere.
    pub(super) bytes: u64,
}

/// What a database holds.
#[derive(Default)]
pub(super) struct Audit {
    /// Everything but the seal.
    pub(super) content: Content,
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// What it should be.
    pub(super) seal: Option<Seal>,
    /// Parts that belong to no value.
    pub(super) orphans: BTreeSet<Key>,
}

/// A group of writes as three steps, each durable before the next. Only the second is seen.
#[derive(Default)]
pub(super) struct Plan {
    /// Parts of new values.
    pub(super) before: Vec<Write>,
    /// What the group is about.
    pub(super) visible: Vec<Write>,
    /// Parts of old values.
    pub(super) after: Vec<Write>,
}

/// The length of a segment can't change in a database that is there; a fresh one has ours.
pub(super) fn segment_bytes(path: &Path) -> usize {
    let config = fs::read(path.join("conf")).unwrap_or_default();
    let config = String::from_utf8_lossy(&config);
    let number = config.lines().find_map(|line| line.strip_prefix("segment_size: "));
    number.and_then(|number| number.trim().parse().ok()).unwrap_or(SEGMENT_BYTES)
}

fn size(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

fn seal_key() -> Key {
    Key::of(Space::Meta).text("seal")
}

/// sled takes a snapshot file for finished that it never finished.
fn remove_unfinished_snapshots(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("snap.")
            && name.to_string_lossy().ends_with(".generating")
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Closes the database. sled syncs its file once more then, and panics where that fails: whatever
/// was acknowledged has been synced before.
struct Closing(Option<sled::Db>);

impl Drop for Closing {
    fn drop(&mut self) {
        let db = self.0.take();
        if let Err(error) = without_panic(|| drop(db)) {
            tracing::warn!(%error, "the database was not closed in order");
        }
    }
}

thread_local! {
    /// Whether a panic of this thread is expected, and becomes an error.
    static EXPECTS_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// sled panics on some damage and some failures; here that is an error like any other, and nobody is told of a panic.
fn without_panic<T>(work: impl FnOnce() -> T) -> Result<T, StoreError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !EXPECTS_PANIC.get() {
                tell(panic);
            }
        }));
    });
    EXPECTS_PANIC.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    EXPECTS_PANIC.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text =
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        StoreError::Database(format!("sled gave up: {text}"))
    })
}

/// The smallest key greater than `key`.
fn behind(key: &Key) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// sled tells a held lock only by its text.
fn is_lock_held(opened: &Result<sled::Result<sled::Db>, StoreError>) -> bool {
    matches!(opened, Ok(Err(error)) if error.to_string().contains("could not acquire lock"))
}

pub(super) fn database(error: sled::Error) -> StoreError {
    match &error {
        sled::Error::Io(cause)
            if matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            StoreError::DiskFull(error.to_string())
        }
        _ => StoreError::Database(error.to_string()),
    }
}
