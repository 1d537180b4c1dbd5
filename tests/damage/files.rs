//! A flipped bit in a file of the store: either nothing is missing, or the store says so before
//! anybody is answered, and the damaged files stay as they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use telson::actors::store::{Batch, CompactionPolicy, Key, Record, Space, Store, StoreError};
use telson::supervision::Dice;
use tempfile::TempDir;

/// Bits flipped in each of the store's files; more in the log, which is nearly all of it.
const FLIPS: usize = 8;
const LOG_FLIPS: usize = 48;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note(String);

impl Record for Note {
    const VERSION: u8 = 1;
}

type Held = BTreeMap<Key, Note>;

fn open(dir: &Path, accept_loss: bool) -> Result<Store, StoreError> {
    Store::open_with(dir, CompactionPolicy::default(), accept_loss)
}

fn held(store: &Store) -> Held {
    store.scan(&Key::of(Space::Transcript)).unwrap().into_iter().collect()
}

/// A store with a history: several lives, records that came, changed and went.
async fn build(dir: &Path) -> Held {
    let key = |number| Key::of(Space::Transcript).text("s").number(number);
    for life in 0..3u64 {
        let store = open(dir, false).unwrap();
        for number in life * 150..(life + 1) * 150 {
            let mut batch = Batch::new();
            let length = usize::try_from(number * 37 % 900).unwrap();
            batch.put(key(number), &Note("x".repeat(length)));
            if number % 3 == 0 {
                batch.delete(key(number / 2));
            }
            store.commit(batch).await.unwrap();
        }
    }
    held(&open(dir, false).unwrap())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a directory.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// The last byte that is not padding.
fn content_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[tokio::test]
async fn a_flipped_bit_in_a_file_is_never_a_silent_loss() {
    let dir = TempDir::new().unwrap();
    let sound = dir.path().join("sound");
    std::fs::create_dir(&sound).unwrap();
    let truth = build(&sound).await;
    let dice = Dice::seeded(3);
    let (mut refused, mut unharmed, mut readable) = (0, 0, 0);
    for (file, bytes) in files(&sound.join("store")) {
        let name = file.strip_prefix(&sound).unwrap().to_owned();
        let flips = if name.ends_with("db") { LOG_FLIPS } else { FLIPS };
        for _ in 0..flips {
            let work = TempDir::new().unwrap();
            copy(&sound, work.path());
            let mut damaged = bytes.clone();
            let end = u64::try_from(content_end(&bytes)).unwrap();
            let at = usize::try_from(dice.next() % end.max(1)).unwrap();
            damaged[at] ^= 1 << (dice.next() % 8);
            std::fs::write(work.path().join(&name), &damaged).unwrap();
            let before = files(&work.path().join("store"));
            match open(work.path(), false) {
                Ok(store) => {
                    unharmed += 1;
                    assert!(held(&store) == truth, "{} at {at}: a silent loss", name.display());
                }
                Err(StoreError::Damaged { readable: can_go_on, what, path }) => {
                    refused += 1;
                    assert!(!what.is_empty() && path.is_dir());
                    let after = files(&work.path().join("store"));
                    let touched =
                        before.iter().find(|(path, bytes)| after.get(*path) != Some(bytes));
                    let touched = touched.map(|(path, _)| path);
                    assert_eq!(touched, None, "{} at {at}: {what}", name.display());
                    readable +=
                        usize::from(can_go_on && accepted(work.path(), &before, &truth).await);
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        error.to_string().contains("CURRENT"),
                        "{} at {at}: {error}",
                        name.display()
                    );
                }
            }
        }
    }
    assert!(refused > 20 && unharmed > 20 && readable > 2, "{refused} {unharmed} {readable}");
}

/// Goes on with what is left: part of the truth, or older than it; the damaged files are kept.
async fn accepted(dir: &Path, before: &BTreeMap<PathBuf, Vec<u8>>, truth: &Held) -> bool {
    let store = open(dir, true).unwrap();
    let left = held(&store);
    let kept = store.stats().kept;
    assert_eq!(kept.len(), 1);
    let log = files(&kept[0]).remove(&kept[0].join("db")).unwrap();
    assert!(before.values().any(|bytes| *bytes == log), "kept as it was");
    let mut batch = Batch::new();
    batch.put(Key::of(Space::Transcript).text("later"), &Note("on it goes".into()));
    store.commit(batch).await.unwrap();
    drop(store);
    let store = open(dir, false).unwrap();
    assert_eq!(held(&store).len(), left.len() + 1);
    assert_eq!(store.stats().kept, kept, "shown until a person removes it");
    // What is missing may be the store's own.
    left != *truth
}

// A log that lost its end looks whole to everybody; only the count beside it tells.
#[tokio::test]
async fn a_log_that_lost_its_end_is_refused() {
    let dir = TempDir::new().unwrap();
    build(dir.path()).await;
    let log = dir.path().join("store/generation-1/db");
    let older = std::fs::read(&log).unwrap();
    let store = open(dir.path(), false).unwrap();
    for number in 0..5 {
        let mut batch = Batch::new();
        batch.put(Key::of(Space::Transcript).text("new").number(number), &Note("new".into()));
        store.commit(batch).await.unwrap();
    }
    drop(store);
    std::fs::write(&log, older).unwrap();
    let error = open(dir.path(), false).unwrap_err().to_string();
    assert!(error.contains("commits are missing") && error.contains("--accept-loss"), "{error}");
}

// Without its database, or without the name of it, a store does not begin anew in silence.
#[tokio::test]
async fn a_missing_database_is_not_an_empty_one() {
    let dir = TempDir::new().unwrap();
    build(dir.path()).await;
    let generation = dir.path().join("store/generation-1");
    std::fs::rename(&generation, dir.path().join("elsewhere")).unwrap();
    let error = open(dir.path(), false).unwrap_err().to_string();
    assert!(error.contains("CURRENT names it, and it is not there"), "{error}");
    std::fs::rename(dir.path().join("elsewhere"), dir.path().join("store/generation-7")).unwrap();
    std::fs::remove_file(dir.path().join("store/CURRENT")).unwrap();
    let error = open(dir.path(), false).unwrap_err().to_string();
    assert!(error.contains("several generations are there"), "{error}");
    assert!(dir.path().join("store/generation-7/db").exists());
}
