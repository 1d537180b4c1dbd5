//! Opening a database that may be damaged, without touching it.
//!
//! A database is in doubt when its last owner left the mark `SUSPECT` (a sync had failed: what the
//! system still shows of its files may never have reached the disk), when a checksum of its log is
//! wrong, or when sled can't open it. Then it is copied, byte by byte and synced, into the next
//! generation, and only the copy is opened. A copy that holds everything the seal asks for takes
//! over. One that does not is refused, unless a person has accepted the loss; then the untouched
//! original stays beside it as `damaged-<n>`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::compaction::{generation_dir, remove_others, set_current};
use super::error::StoreError;
use super::generation::{Audit, Generation, Sealed, segment_bytes};
use super::key::Key;
use super::seal::{self, Seal};
use super::{commits, durable, log_check};
use crate::crash_point::crash_point;

/// The mark of a failed write or sync.
const SUSPECT: &str = "SUSPECT";
/// How names of kept files begin.
const KEPT: &str = "damaged-";

/// Leaves the mark for the next opening. The disk has just failed: this may fail as well, and then
/// the next opening has only the checksums and the seal to go by.
pub(super) fn mark_suspect(dir: &Path, reason: &str) {
    let path = dir.join(SUSPECT);
    let marked = fs::write(&path, format!("{reason}\n"))
        .and_then(|()| durable::sync(&path))
        .and_then(|()| durable::sync(dir));
    if let Err(error) = marked {
        tracing::warn!(path = %path.display(), %error, "the failure may not be remembered");
    }
}

/// What was opened.
pub(super) struct Opened {
    pub(super) generation: Generation,
    /// What the next commit's seal builds on.
    pub(super) sealed: Sealed,
    /// Parts to be removed.
    pub(super) orphans: BTreeSet<Key>,
}

/// Opens generation `number`, or a copy of it where it is in doubt.
pub(super) fn open(dir: &Path, number: u64, accept_loss: bool) -> Result<Opened, StoreError> {
    let original = generation_dir(dir, number);
    let doubt = match doubt(dir, &original)? {
        Some(doubt) => doubt,
        None => match Generation::open(dir, number) {
            Ok(generation) => return judge(dir, generation, None, accept_loss),
            // What sled says of its content; a full disk or a missing right is another matter.
            Err(StoreError::Database(reason)) => reason,
            Err(error) => return Err(error),
        },
    };
    tracing::warn!(reason = %doubt, "the database is in doubt: a copy of it is opened instead");
    let result = open_copy(dir, &original, number + 1)
        .and_then(|copy| judge(dir, copy, Some(&original), accept_loss));
    result.map_err(|error| {
        discard(dir, number + 1);
        match error {
            StoreError::Database(reason) => {
                damaged(&original, format!("{doubt}; a copy can't be read: {reason}"), false)
            }
            error => error,
        }
    })
}

/// Why a generation must not be opened as it is.
fn doubt(dir: &Path, original: &Path) -> Result<Option<String>, StoreError> {
    let log = original.join("db");
    if !log.exists() {
        return Ok(None);
    }
    if let Ok(reason) = fs::read_to_string(dir.join(SUSPECT)) {
        return Ok(Some(format!("an earlier write failed: {}", reason.trim())));
    }
    log_check::damage(&log, segment_bytes(original))
        .map_err(|error| StoreError::io("read", &log, &error))
}

/// sled's snapshot and config only save time. Where one of them is damaged, the log alone will do.
fn open_copy(dir: &Path, original: &Path, number: u64) -> Result<Generation, StoreError> {
    let path = generation_dir(dir, number);
    let copy = |wanted: &dyn Fn(&str) -> bool| {
        discard(dir, number);
        durable::copy_dir(original, &path, wanted)
            .map_err(|error| StoreError::io("copy the database to", &path, &error))?;
        Generation::open(dir, number)
    };
    match copy(&|_| true) {
        Err(StoreError::Database(_)) => copy(&|name| !name.starts_with("snap.") && name != "conf"),
        opened => opened,
    }
}

/// Lets an opened generation take over if nothing is missing from it, or if that was accepted.
fn judge(
    dir: &Path,
    generation: Generation,
    original: Option<&Path>,
    accept_loss: bool,
) -> Result<Opened, StoreError> {
    let (number, opened) = (generation.number, generation_dir(dir, generation.number));
    let Audit { content: found, bytes, seal, orphans } = generation.audit()?;
    let acknowledged = commits::read(dir);
    let loss = seal::compare(found, seal, acknowledged);
    let seal =
        Seal { commits: seal.map_or(0, |seal| seal.commits).max(acknowledged), content: found };
    if let Some(loss) = loss {
        if !accept_loss {
            return Err(damaged(original.unwrap_or(&opened), loss.to_string(), true));
        }
        let aside = keep(dir, original, &opened)?;
        tracing::error!(%loss, kept = %aside.display(), "going on without what is lost, as was asked");
    }
    crash_point("open.before_current");
    set_current(dir, number)?;
    crash_point("open.before_cleanup");
    remove_others(dir, number);
    absolve(dir)?;
    Ok(Opened { generation, sealed: Sealed { seal, bytes }, orphans })
}

/// Keeps what was damaged under a name that nothing here ever removes.
fn keep(dir: &Path, original: Option<&Path>, opened: &Path) -> Result<PathBuf, StoreError> {
    let mut names = (1..).map(|number: u64| dir.join(format!("{KEPT}{number}")));
    let aside = names.find(|path| !path.exists()).unwrap_or_else(|| dir.join(KEPT));
    let kept = durable::copy_dir(original.unwrap_or(opened), &aside, &|_| true);
    kept.map_err(|error| StoreError::io("keep the damaged database as", &aside, &error))?;
    Ok(aside)
}

/// Everything kept, for people to look after.
pub(super) fn kept(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_kept = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(KEPT))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_kept).collect()
}

/// Removes the mark: everything was written anew and synced.
fn absolve(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(SUSPECT);
    match fs::remove_file(&path).and_then(|()| durable::sync(dir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", &path, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn discard(dir: &Path, number: u64) {
    let path = generation_dir(dir, number);
    if path.exists()
        && let Err(error) = fs::remove_dir_all(&path)
    {
        tracing::warn!(path = %path.display(), %error, "a copy was not removed");
    }
}

fn damaged(path: &Path, what: String, readable: bool) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what, readable }
}
