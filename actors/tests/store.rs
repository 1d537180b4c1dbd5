//! The store through its handle: atomic, durable, in order, fenced after a failure, bounded on disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

use std::sync::Arc;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use telson_actors::store::{
    Batch, CompactionPolicy, Expect, Key, MemoryBackend, MemoryFault, Record, Space, Store,
    StoreError,
};
use tempfile::TempDir;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note(String);

impl Record for Note {
    const VERSION: u8 = 1;
}

fn key(number: u64) -> Key {
    Key::of(Space::Transcript).text("session").number(number)
}

fn batch(number: u64, text: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(key(number), &Note(text.into()));
    batch
}

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), CompactionPolicy::default()).expect("the store opens")
}

#[tokio::test]
async fn what_is_committed_is_there_after_reopening() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for number in 0..100 {
        store.commit(batch(number, "kept")).await.unwrap();
    }
    let first_epoch = store.epoch();
    drop(store);
    let store = open(&dir);
    let notes: Vec<(Key, Note)> = store.scan(&Key::of(Space::Transcript)).unwrap();
    assert_eq!(notes.len(), 100);
    assert!(notes.iter().map(|(key, _)| key.last_number()).eq(0..100), "replay is in key order");
    assert!(store.epoch() > first_epoch);
}

// sled's flush_async deadlocks with seven callers or more; the committer must not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_commit_at_once() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let commits = (0..300).map(|number| store.commit(batch(number, "x")));
    for result in join_all(commits).await {
        result.unwrap();
    }
    let notes: Vec<(Key, Note)> = store.scan(&Key::of(Space::Transcript)).unwrap();
    assert_eq!(notes.len(), 300);
}

#[tokio::test]
async fn a_condition_sees_its_predecessors_in_the_same_group() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let insert_once = || {
        let mut batch = batch(1, "once");
        batch.expect(Expect::Absent(key(1)));
        store.commit(batch)
    };
    let results = join_all((0..20).map(|_| insert_once())).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|r| matches!(r, Ok(()) | Err(StoreError::Conflict))));

    let mut finish = Batch::new();
    finish.expect(Expect::Present(key(1))).delete(key(1));
    store.commit(finish.clone()).await.unwrap();
    assert!(matches!(store.commit(finish).await, Err(StoreError::Conflict)));
}

#[tokio::test]
async fn a_refused_batch_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut refused = batch(7, "never");
    refused.expect(Expect::Present(key(99)));
    assert!(matches!(store.commit(refused).await, Err(StoreError::Conflict)));
    assert_eq!(store.get::<Note>(&key(7)).unwrap(), None);
}

#[tokio::test]
async fn submitted_batches_become_durable_in_order() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (sender, mut receiver) = tokio::sync::mpsc::channel(200);
    for number in 0..200u64 {
        let sender = sender.clone();
        store
            .submit(batch(number, "x"), move |result| {
                result.unwrap();
                sender.try_send(number).unwrap();
            })
            .unwrap();
    }
    for expected in 0..200 {
        assert_eq!(receiver.recv().await, Some(expected));
    }
}

#[tokio::test]
async fn ids_grow_across_restarts() {
    let dir = TempDir::new().unwrap();
    let mut last = 0;
    for _ in 0..4 {
        let store = open(&dir);
        for _ in 0..3000 {
            let id = store.next_id().unwrap();
            assert!(id > last);
            last = id;
        }
    }
}

#[tokio::test]
async fn a_second_instance_is_told_who_owns_the_directory() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let error = Store::open(dir.path(), CompactionPolicy::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("in use by a running telson"), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    store.commit(batch(1, "the first is unharmed")).await.unwrap();
}

// D1: after a failed flush nobody knows what is on disk, so nothing more is acknowledged.
#[tokio::test]
async fn a_failed_flush_fences_the_store() {
    let backend = MemoryBackend::new();
    let store = Store::threaded(Arc::new(backend.clone()), None).unwrap();
    store.commit(batch(1, "fine")).await.unwrap();
    backend.fail_next(MemoryFault::FailedFlush);
    assert!(matches!(store.commit(batch(2, "lost")).await, Err(StoreError::Database(_))));
    assert!(matches!(store.commit(batch(3, "fenced")).await, Err(StoreError::Fenced(_))));
    drop(store);
    let store = Store::threaded(Arc::new(backend), None).unwrap();
    assert_eq!(store.get::<Note>(&key(1)).unwrap(), Some(Note("fine".into())));
    assert_eq!(store.get::<Note>(&key(2)).unwrap(), None);
}

#[tokio::test]
async fn a_damaged_record_is_set_aside_and_its_neighbours_stay() {
    let backend = MemoryBackend::new();
    let store = Store::inline(Arc::new(backend.clone())).unwrap();
    for number in 0..3 {
        store.commit(batch(number, "what somebody said")).await.unwrap();
    }
    backend.damage(&key(1));
    let numbers = |store: &Store| -> Vec<u64> {
        let notes = store.scan::<Note>(&Key::of(Space::Transcript)).unwrap();
        notes.iter().map(|(key, _)| key.last_number()).collect()
    };
    assert_eq!(numbers(&store), [0, 2]);
    assert_eq!(store.get::<Note>(&key(1)).unwrap(), None);
    assert!(store.contains(&key(1)).unwrap() && store.is_set_aside(&key(1)).unwrap());
    assert_eq!(store.stats().damaged, 1);
    drop(store);
    let store = Store::inline(Arc::new(backend)).unwrap();
    let damaged = store.damaged().unwrap();
    assert_eq!((damaged.len(), store.stats().damaged), (1, 1));
    assert_eq!((damaged[0].kind(), damaged[0].key.as_slice()), ("exchange", key(1).as_bytes()));
    assert!(damaged[0].text().contains("what somebody sai"), "{:?}", damaged[0].text());
    assert!(damaged[0].reason.contains("checksum mismatch"));
    assert!(store.forget_damaged(&damaged[0]).await.unwrap());
    assert!(!store.forget_damaged(&damaged[0]).await.unwrap());
    assert_eq!(store.stats().damaged, 0);
}

// sled's file only grows under new keys: compaction keeps it bounded, and loses nothing although
// writes go on while it copies.
#[tokio::test]
async fn churn_does_not_fill_the_disk() {
    let dir = TempDir::new().unwrap();
    let policy = CompactionPolicy::at_once(4 * 1024 * 1024, 2);
    let store = Store::open(dir.path(), policy).unwrap();
    let text = "x".repeat(1000);
    for round in 0..150u64 {
        let mut batch = Batch::new();
        for number in round * 200..(round + 1) * 200 {
            batch.put(key(number), &Note(text.clone()));
        }
        // Keeps the newest 400 alive.
        for number in round.saturating_sub(2) * 200..round.saturating_sub(1) * 200 {
            batch.delete(key(number));
        }
        store.commit(batch).await.unwrap();
    }
    let live: Vec<(Key, Note)> = store.scan(&Key::of(Space::Transcript)).unwrap();
    let numbers: Vec<u64> = live.iter().map(|(key, _)| key.last_number()).collect();
    assert_eq!(numbers, (148 * 200..150 * 200).collect::<Vec<_>>());
    let bytes = store.stats().disk_bytes;
    assert!(bytes < 24 * 1024 * 1024, "30 MB written, {bytes} bytes on disk");
    // A copy that began behind the last batch may still run; it ends by itself.
    copies_end(&dir).await;
    drop(store);
    let store = Store::open(dir.path(), policy).unwrap();
    assert_eq!(store.scan::<Note>(&Key::of(Space::Transcript)).unwrap().len(), 400);
}

/// Waits until old generations are removed.
async fn copies_end(dir: &TempDir) {
    let began = tokio::time::Instant::now();
    while generations(dir) > 1 {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "a copy never ends");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// How many databases the store's directory holds.
fn generations(dir: &TempDir) -> usize {
    let entries = std::fs::read_dir(dir.path().join("store")).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("generation-")).count()
}

/// A life too short to double the file must not start the measure anew.
#[tokio::test]
async fn many_short_lives_do_not_fill_the_disk() {
    let dir = TempDir::new().unwrap();
    let policy = CompactionPolicy::at_once(1024 * 1024, 2);
    let text = "x".repeat(1000);
    for life in 0..40u64 {
        let store = Store::open(dir.path(), policy).unwrap();
        let mut batch = Batch::new();
        for number in life * 200..(life + 1) * 200 {
            batch.put(key(number), &Note(text.clone()));
        }
        // Keeps the newest 1,000 alive.
        for number in life.saturating_sub(5) * 200..life.saturating_sub(4) * 200 {
            batch.delete(key(number));
        }
        store.commit(batch).await.unwrap();
        // Behind this a copy that is due has begun; it ends by itself.
        store.commit(Batch::new()).await.unwrap();
        copies_end(&dir).await;
        let bytes = store.stats().disk_bytes;
        assert!(bytes < 10 * 1024 * 1024, "1 MB alive, {bytes} bytes on disk after {life} lives");
    }
}

#[test]
fn an_interrupted_compaction_leaves_the_old_database() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    // A copy that was never finished: present on disk, not named by CURRENT.
    std::fs::create_dir_all(dir.path().join("store/generation-2")).unwrap();
    std::fs::write(dir.path().join("store/generation-2/db"), b"half a copy").unwrap();
    let store = open(&dir);
    assert!(store.epoch().0 >= 2);
    assert!(!dir.path().join("store/generation-2").exists());
}
