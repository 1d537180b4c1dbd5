//! What every store must do.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telson::actors::store::{
    Batch, CompactionPolicy, Expect, Key, MemoryBackend, Record, Space, Store, StoreError,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note(u64);

impl Record for Note {
    const VERSION: u8 = 1;
}

/// Opens the same store again, as after a restart.
type Open<'a> = &'a dyn Fn() -> Store;

fn key(lane: &str, number: u64) -> Key {
    Key::of(Space::Inbox).text(lane).number(number)
}

async fn suite(open: Open<'_>) {
    atomic_and_conditional(open).await;
    ordered_replay(open).await;
    counts_survive(open).await;
    epochs_and_ids_grow(open);
    unsynced_writes_are_read_and_kept(open).await;
}

async fn atomic_and_conditional(open: Open<'_>) {
    let store = open();
    let mut batch = Batch::new();
    batch.put(key("a", 1), &Note(1)).put(key("a", 2), &Note(2)).tally(Space::Inbox, 2);
    batch.expect(Expect::Absent(key("a", 1)));
    store.commit(batch.clone()).await.unwrap();
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict)), "D5");
    let mut half = Batch::new();
    half.put(key("a", 3), &Note(3)).expect(Expect::Present(key("a", 9)));
    assert!(matches!(store.commit(half).await, Err(StoreError::Conflict)));
    assert_eq!(store.get::<Note>(&key("a", 3)).unwrap(), None, "nothing of a refused batch");
    let mut swap = Batch::new();
    swap.delete(key("a", 1)).put(key("a", 2), &Note(20)).tally(Space::Inbox, -1);
    store.commit(swap).await.unwrap();
    assert_eq!(store.get::<Note>(&key("a", 1)).unwrap(), None);
    assert_eq!(store.get::<Note>(&key("a", 2)).unwrap(), Some(Note(20)));
}

async fn ordered_replay(open: Open<'_>) {
    let store = open();
    for number in (0..3000u64).rev() {
        let mut batch = Batch::new();
        batch.put(key("b", number), &Note(number)).tally(Space::Inbox, 1);
        store.submit(batch, |result| assert!(result.is_ok())).unwrap();
    }
    store.commit(Batch::new()).await.unwrap();
    let prefix = Key::of(Space::Inbox).text("b");
    let all: Vec<u64> =
        store.scan::<Note>(&prefix).unwrap().into_iter().map(|(_, note)| note.0).collect();
    assert!(all.iter().copied().eq(0..3000), "a commit stands behind what was submitted before");
    let tail: Vec<u64> =
        store.tail::<Note>(&prefix, 3).unwrap().into_iter().map(|(_, note)| note.0).collect();
    assert_eq!(tail, [2997, 2998, 2999]);
    let page = store.page::<Note>(&prefix, Some(&key("b", 9)), 2).unwrap();
    assert_eq!(page.iter().map(|(_, note)| note.0).collect::<Vec<_>>(), [10, 11]);
}

async fn counts_survive(open: Open<'_>) {
    let store = open();
    assert_eq!(store.tally(Space::Inbox), 3001);
    let mut batch = Batch::new();
    batch.delete(key("b", 0)).expect(Expect::Present(key("b", 0))).tally(Space::Inbox, -1);
    store.commit(batch.clone()).await.unwrap();
    assert!(store.commit(batch).await.is_err());
    drop(store);
    assert_eq!(open().tally(Space::Inbox), 3000);
}

// What needs no sync of its own can be read at once, and the next commit stands behind it.
async fn unsynced_writes_are_read_and_kept(open: Open<'_>) {
    let store = open();
    let applied = |number| {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut batch = Batch::new();
        batch.put(key("u", number), &Note(number));
        store.submit_unsynced(batch, |result| drop(sender.send(result))).unwrap();
        receiver
    };
    applied(1).await.unwrap().unwrap();
    assert_eq!(store.get::<Note>(&key("u", 1)).unwrap(), Some(Note(1)));
    let mut batch = Batch::new();
    batch.expect(Expect::Present(key("u", 1))).put(key("u", 2), &Note(2));
    store.commit(batch).await.unwrap();
    applied(3).await.unwrap().unwrap();
    drop(store);
    let kept = open().scan::<Note>(&Key::of(Space::Inbox).text("u")).unwrap();
    assert_eq!(kept.len(), 3, "closing a store in order keeps everything");
}

fn epochs_and_ids_grow(open: Open<'_>) {
    let (mut epoch, mut id) = (0, 0);
    for _ in 0..3 {
        let store = open();
        assert!(store.epoch().0 > epoch);
        epoch = store.epoch().0;
        for _ in 0..2000 {
            let next = store.next_id().unwrap();
            assert!(next > id);
            id = next;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled() {
    let dir = tempfile::tempdir().unwrap();
    suite(&|| Store::open(dir.path(), CompactionPolicy::default()).unwrap()).await;
}

// A child process between its fork and its exec holds every lock of its parent for a moment.
#[test]
fn a_lock_that_is_about_to_go_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), CompactionPolicy::default()).unwrap());
    let held = std::fs::File::open(dir.path().join("store/generation-1/db")).unwrap();
    held.lock().unwrap();
    let release = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(150));
        drop(held);
    });
    let store = Store::open(dir.path(), CompactionPolicy::default()).unwrap();
    assert_eq!(store.epoch().0, 2);
    release.join().unwrap();
}

// Whoever was cut off while it opened the store must not have spoilt it.
#[test]
fn half_an_opening_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let generation = dir.path().join("store/generation-1");
    std::fs::create_dir_all(&generation).unwrap();
    std::fs::write(generation.join("conf"), "").unwrap();
    let store = Store::open(dir.path(), CompactionPolicy::default()).unwrap();
    assert_eq!(store.epoch().0, 1);
    drop(store);
    let live = std::fs::read_to_string(dir.path().join("store/CURRENT")).unwrap();
    let generation = dir.path().join(format!("store/generation-{}", live.trim()));
    std::fs::write(generation.join("snap.00000000000FFFFF.generating"), "half").unwrap();
    let store = Store::open(dir.path(), CompactionPolicy::default()).unwrap();
    assert_eq!(store.epoch().0, 2, "what was there is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_while_it_compacts_all_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let always = CompactionPolicy::at_once(0, 1);
    suite(&|| Store::open(dir.path(), always).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_behind_a_committer() {
    let backend = MemoryBackend::new();
    suite(&|| Store::threaded(Arc::new(backend.clone()), None).unwrap()).await;
}

#[tokio::test]
async fn memory_inline() {
    let backend = MemoryBackend::new();
    suite(&|| Store::inline(Arc::new(backend.clone())).unwrap()).await;
}

#[tokio::test]
async fn a_crash_forgets_what_was_not_synced() {
    let backend = MemoryBackend::new();
    let store = Store::inline(Arc::new(backend.clone())).unwrap();
    let (kept, lost) = (key("c", 1), key("c", 2));
    let mut batch = Batch::new();
    batch.put(kept.clone(), &Note(1));
    store.commit(batch).await.unwrap();
    let mut batch = Batch::new();
    batch.put(lost.clone(), &Note(2)).put(kept.clone(), &Note(3));
    store.submit_unsynced(batch, |result| assert!(result.is_ok())).unwrap();
    backend.crash();
    assert_eq!(store.get::<Note>(&lost).unwrap(), None);
    assert_eq!(store.get::<Note>(&kept).unwrap(), Some(Note(1)));
}

// A replay from a seed must not depend on a thread: the first poll is the commit.
#[test]
fn an_inline_commit_needs_no_other_thread() {
    let store = Store::inline(Arc::new(MemoryBackend::new())).unwrap();
    let mut batch = Batch::new();
    batch.put(key("a", 1), &Note(1));
    let mut commit = tokio_test::task::spawn(store.commit(batch));
    tokio_test::assert_ready_ok!(commit.poll());
    assert_eq!(store.get::<Note>(&key("a", 1)).unwrap(), Some(Note(1)));
}
