//! The longest commit while the store copies itself to a fresh file.

use std::path::Path;

use telson_actors::clock::Timestamp;
use telson_actors::inbox::CursorRecord;
use telson_actors::store::{Batch, CompactionPolicy, Key, Space, Store};
use tokio::time::Instant;

use super::Scale;
use super::measure::{Sample, Stopwatch, count, millis};
use super::report::Row;

const VALUE_BYTES: usize = 1000;
/// Bytes per commit while the records are first written.
const FILL_BYTES: usize = 512 * 1024;
/// Compactions that are watched, one after the other.
const COMPACTIONS: u64 = 3;
/// For a store that stays as it is.
const NEVER: CompactionPolicy = CompactionPolicy::at_once(u64::MAX, 1);
/// For one that begins its next compaction when one has ended.
const ALWAYS: CompactionPolicy = CompactionPolicy::at_once(0, 1);

pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    eprintln!("compaction: {} records of {VALUE_BYTES} B", scale.records);
    let dir = scale.temp_dir();
    fill(dir.path(), scale.records).await;
    let mut churn = Churn { records: scale.records, next: scale.records };
    let end = Instant::now() + scale.lasting;
    let calm = churn.run(dir.path(), NEVER, || Instant::now() < end).await;
    let last = generation(dir.path()) + COMPACTIONS;
    let copying = churn.run(dir.path(), ALWAYS, || generation(dir.path()) < last).await;
    vec![row("no compaction", &calm, 0), row("back to back", &copying, COMPACTIONS)]
}

fn row(case: &str, sample: &Sample, compactions: u64) -> Row {
    let each = millis(sample.elapsed()) / count(usize::try_from(compactions).unwrap().max(1));
    sample.row(case).with("ms_per_copy", if compactions == 0 { 0.0 } else { each })
}

/// Writes every record once.
async fn fill(dir: &Path, records: u64) {
    let store = Store::open(dir, NEVER).unwrap();
    let mut batch = Batch::new();
    for number in 0..records {
        put(&mut batch, number);
        if batch.bytes() > FILL_BYTES || number + 1 == records {
            store.commit(std::mem::take(&mut batch)).await.unwrap();
        }
    }
}

/// New records in, old ones out: a file grows by keys that come and go.
struct Churn {
    records: u64,
    next: u64,
}

impl Churn {
    /// One commit after the other.
    async fn run(
        &mut self,
        dir: &Path,
        policy: CompactionPolicy,
        goes_on: impl Fn() -> bool,
    ) -> Sample {
        let store = Store::open(dir, policy).unwrap();
        let (watch, mut latencies) = (Stopwatch::start(), Vec::new());
        while goes_on() {
            let mut batch = Batch::new();
            put(&mut batch, self.next);
            batch.delete(key(self.next - self.records));
            self.next += 1;
            let began = Instant::now();
            store.commit(batch).await.unwrap();
            latencies.push(began.elapsed());
        }
        watch.stop(latencies)
    }
}

fn put(batch: &mut Batch, number: u64) {
    let position = vec![number.to_le_bytes()[0]; VALUE_BYTES];
    batch.put(key(number), &CursorRecord { at: Timestamp(0), position });
}

/// All over the keyspace, as conversations are.
fn key(number: u64) -> Key {
    let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Key::of(Space::Cursor).text("churn").number(place)
}

/// Which database of the store is the live one.
pub(crate) fn generation(dir: &Path) -> u64 {
    std::fs::read_to_string(dir.join("store").join("CURRENT")).unwrap().trim().parse().unwrap()
}
