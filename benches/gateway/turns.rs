//! Messages over `chat.send` to the end of their runs, and the memory they leave.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::measure::{Sample, Stopwatch};
use super::peer::Peer;
use super::report::Row;
use super::service::{Kind, Service};
use super::{Scale, model};

/// Sessions that write at once.
const LOADS: [usize; 3] = [1, 16, 100];

/// Each gateway with an empty store.
pub(crate) async fn measure(scale: &Scale, kinds: &[Kind]) -> Vec<Row> {
    let model = model::serve().await;
    let mut rows = Vec::new();
    for kind in kinds {
        eprintln!("turns: {}", kind.name());
        let home = tempfile::tempdir_in(&scale.dir).unwrap();
        let service = Service::start(kind, home.path(), &model).await;
        let idle = service.resident_mb();
        let mut made = 0;
        for load in LOADS {
            let cpu = service.cpu();
            let (sample, turns) = conversed(scale, &service.peer().await, load, None).await;
            let used = service.cpu().saturating_sub(cpu).as_secs_f64() * 1000.0;
            made += turns;
            rows.push(
                Row::new(format!("{}, {load} sessions", kind.name()))
                    .with("per_s", sample.per_second())
                    .with("p50_ms", sample.percentile(50))
                    .with("p99_ms", sample.percentile(99))
                    .with("its_cpu_ms_each", used / sample.count())
                    .with("resident_mb", service.resident_mb()),
            );
        }
        if matches!(kind, Kind::Telson) {
            let left = scale.turns.saturating_sub(made);
            conversed(scale, &service.peer().await, 16, Some(left / 16)).await;
            rows.push(memory("telson, idle", idle));
            let after = format!("telson, after {} turns", scale.turns.max(made));
            rows.push(memory(&after, service.resident_mb()));
        } else {
            rows.push(memory(&format!("{}, idle", kind.name()), idle));
        }
        service.stop().await;
    }
    rows
}

fn memory(case: &str, resident_mb: f64) -> Row {
    let nothing = ["per_s", "p50_ms", "p99_ms", "its_cpu_ms_each"];
    let row = nothing.into_iter().fold(Row::new(case), |row, name| row.with(name, 0.0));
    row.with("resident_mb", resident_mb)
}

/// Each session writes when it has its answer, for the scale's time or a number of turns.
async fn conversed(
    scale: &Scale,
    peer: &Peer,
    sessions: usize,
    turns: Option<usize>,
) -> (Sample, usize) {
    let watch = Stopwatch::start();
    let writing = (0..sessions).map(|session| async move {
        let (begun, mut latencies) = (Instant::now(), Vec::new());
        let goes_on = |made: usize| match turns {
            Some(turns) => made < turns,
            None => begun.elapsed() < scale.lasting,
        };
        let key = format!("agent:main:bench-{sessions}-{session}");
        while goes_on(latencies.len()) {
            let mark = format!("MSG-{sessions}-{session}-{}-{}", latencies.len(), turns.is_some());
            let asked = Instant::now();
            let end = peer.turn(&key, &format!("hello {mark}"), &mark).await;
            assert_eq!(end["state"], "final", "{end}");
            assert!(end["message"].to_string().contains(&mark), "{mark}: {end}");
            latencies.push(asked.elapsed());
        }
        latencies
    });
    let latencies = join_all(writing).await.concat();
    let made = latencies.len();
    (watch.stop(latencies), made)
}
