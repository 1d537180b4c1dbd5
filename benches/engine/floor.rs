//! What the disk allows: records appended to one file, durable before the next.

use std::fs::File;
use std::io::Write as _;

use tokio::time::Instant;

use super::Scale;
use super::measure::{Stopwatch, count};
use super::report::Row;

const RECORD_BYTES: usize = 256;
/// Records per sync, as a committer under load has them.
const GROUP: usize = 64;

pub(crate) fn measure(scale: &Scale) -> Vec<Row> {
    eprintln!("floor: append and fdatasync");
    [1, GROUP].map(|group| append(scale, group)).into()
}

/// Latencies are those of a sync; the rate is of records.
fn append(scale: &Scale, group: usize) -> Row {
    let dir = scale.temp_dir();
    let mut file = File::create(dir.path().join("log")).unwrap();
    let records = vec![7; RECORD_BYTES * group];
    let (watch, mut latencies) = (Stopwatch::start(), Vec::new());
    while watch.elapsed() < scale.lasting {
        let began = Instant::now();
        file.write_all(&records).unwrap();
        file.sync_data().unwrap();
        latencies.push(began.elapsed());
    }
    let sample = watch.stop(latencies);
    let case = format!("{group} x {RECORD_BYTES} B per fdatasync");
    Row::new(case)
        .with("records_per_s", sample.per_second() * count(group))
        .with("p50_ms", sample.percentile(50))
        .with("p99_ms", sample.percentile(99))
        .with("max_ms", sample.percentile(100))
}
