//! The store's files while a million turns go through a bounded set of live records.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use telson_actors::inbox::{CursorRecord, cursor_key};
use telson_actors::message::AccountKey;
use telson_actors::store::{Batch, CompactionPolicy, Key, Space, Store};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::compaction::generation;
use super::measure::{Sample, Stopwatch, count};
use super::platform::NOW;
use super::report::Row;
use super::store_only::{Left, turn};

/// People who speak at the same time.
const PEOPLE: usize = 256;
/// Most turns whose remains are removed by one commit, as the janitor does.
const SWEEP_TURNS_MAX: usize = 100;
/// Pause between two commits of the one who waits for pauses, and between two looks at the disk.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const NEVER: CompactionPolicy = CompactionPolicy::at_once(u64::MAX, 1);

/// What stays of a turn that has left the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    /// As in the engine: transcripts are kept.
    Transcript,
}

pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let real = CompactionPolicy::default();
    let cases = [
        ("never compacted", NEVER, Kept::Nothing, scale.turns / 10),
        ("bounded", real, Kept::Nothing, scale.turns),
        ("transcripts kept", real, Kept::Transcript, scale.turns),
    ];
    let mut rows = Vec::new();
    for (case, policy, kept, turns) in cases {
        eprintln!("churn: {case}, {turns} turns");
        rows.push(churn(scale, policy, kept, turns).await.row(case));
    }
    rows
}

/// What one churn has shown.
struct Churned {
    turns: u64,
    elapsed: Duration,
    /// Bytes of keys and values alive at the end.
    live: u64,
    /// The most bytes since the window was full: of the live database, and of the directory, which
    /// holds two of them while one is copied.
    file_max: u64,
    disk_max: u64,
    compactions: u64,
    /// Commits of one who makes a small one now and then.
    pauses: Sample,
}

impl Churned {
    fn row(&self, case: &str) -> Row {
        Row::new(case)
            .with("turns", number(self.turns))
            .with("per_s", number(self.turns) / self.elapsed.as_secs_f64())
            .with("live_mb", number(self.live) / 1e6)
            .with("file_max_mb", number(self.file_max) / 1e6)
            .with("file_of_live", number(self.file_max) / number(self.live.max(1)))
            .with("disk_max_mb", number(self.disk_max) / 1e6)
            .with("copies", number(self.compactions))
            .with("pause_p99_ms", self.pauses.percentile(99))
            .with("pause_max_ms", self.pauses.percentile(100))
    }
}

async fn churn(scale: &Scale, policy: CompactionPolicy, kept: Kept, turns: u64) -> Churned {
    let dir = scale.temp_dir();
    let store = Store::open(dir.path(), policy).unwrap();
    let first = generation(dir.path());
    let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let window = usize::try_from(scale.records).unwrap() / PEOPLE;
    let swept = (window / 4).clamp(1, SWEEP_TURNS_MAX);
    let (mut watching, mut pausing) = (JoinSet::new(), JoinSet::new());
    let files = dir.path().join("store");
    watching.spawn(watch(store.clone(), files, done.clone(), over.clone(), scale.records));
    pausing.spawn(pauses(store.clone(), over.clone()));

    let began = Instant::now();
    let mut running = JoinSet::new();
    for person in 0..PEOPLE {
        let (store, done) = (store.clone(), done.clone());
        running.spawn(async move {
            let mut behind = VecDeque::new();
            let mut next = 0;
            while done.fetch_add(1, Ordering::Relaxed) < turns {
                behind.push_back(turn(&store, person, next, false).await.unwrap());
                next += 1;
                if behind.len() >= window + swept {
                    sweep(&store, behind.drain(..swept), kept).await;
                }
            }
        });
    }
    running.join_all().await;
    let elapsed = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let (file_max, disk_max) = watching.join_next().await.unwrap().unwrap();
    let pauses = pausing.join_next().await.unwrap().unwrap();
    Churned {
        turns,
        elapsed,
        live: live_bytes(&store),
        file_max,
        disk_max,
        compactions: generation(dir.path()) - first,
        pauses,
    }
}

/// Forgets what the window no longer holds.
async fn sweep(store: &Store, old: impl Iterator<Item = Left>, kept: Kept) {
    let mut batch = Batch::new();
    for left in old {
        batch.delete(left.dedupe).delete(left.receipt);
        if kept == Kept::Nothing {
            batch.delete(left.exchange);
        }
    }
    store.commit(batch).await.unwrap();
}

/// The most the live database and the directory have held since the window was full.
async fn watch(
    store: Store,
    dir: PathBuf,
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    records: u64,
) -> (u64, u64) {
    let (mut file, mut disk, mut last) = (0, 0, 0);
    while !over.load(Ordering::Relaxed) {
        let now = store.stats().disk_bytes;
        if now < last {
            eprintln!("churn: copied from {} to {} MB", last / 1_000_000, now / 1_000_000);
        }
        last = now;
        if done.load(Ordering::Relaxed) > records {
            file = file.max(now);
            disk = disk.max(disk_bytes(&dir));
        }
        tokio::time::sleep(LOOK_EVERY * 4).await;
    }
    (file, disk)
}

/// How long small commits take meanwhile.
async fn pauses(store: Store, over: Arc<AtomicBool>) -> Sample {
    let (watch, mut latencies) = (Stopwatch::start(), Vec::new());
    let key = cursor_key(&AccountKey::new("bench", "pause"));
    while !over.load(Ordering::Relaxed) {
        let mut batch = Batch::new();
        batch.put(key.clone(), &CursorRecord { at: NOW, position: vec![0; 8] });
        let began = Instant::now();
        store.commit(batch).await.unwrap();
        latencies.push(began.elapsed());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    watch.stop(latencies)
}

fn live_bytes(store: &Store) -> u64 {
    let spaces = [
        Space::Meta,
        Space::Cursor,
        Space::Dedupe,
        Space::Inbox,
        Space::Turn,
        Space::Session,
        Space::Transcript,
        Space::Outbox,
        Space::Receipt,
    ];
    let size = |(key, value): &(Key, Vec<u8>)| key.as_bytes().len() + value.len();
    let pairs = spaces.iter().flat_map(|space| store.scan_raw(&Key::of(*space)).unwrap());
    pairs.map(|pair| size(&pair) as u64).sum()
}

/// All files below a directory. One that is removed meanwhile counts nothing.
fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn number(value: u64) -> f64 {
    count(usize::try_from(value).unwrap())
}
