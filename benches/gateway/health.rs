//! The smallest question, over one connection and over fifty.

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use super::measure::{Stopwatch, millis};
use super::peer::Peer;
use super::report::Row;
use super::service::{Kind, Service};
use super::{Scale, echo, model};

/// Connections that ask at once.
const LOADS: [usize; 2] = [1, 50];

/// Each gateway, and first the bare server.
pub(crate) async fn measure(scale: &Scale, kinds: &[Kind]) -> Vec<Row> {
    let model = model::serve().await;
    let mut rows = Vec::new();
    for kind in kinds {
        eprintln!("health: {}", kind.name());
        let home = tempfile::tempdir_in(&scale.dir).unwrap();
        let service = Service::start(kind, home.path(), &model).await;
        if rows.is_empty() {
            // Our own answer, so that both move the same bytes.
            let answer = service.peer().await.ask("health", json!({})).await;
            let url = echo::serve(answer.to_string()).await;
            for load in LOADS {
                let peers = join_all((0..load).map(|_| Peer::connect(&url, ""))).await;
                rows.push(asked(scale, "bare server", peers.into_iter().flatten().collect()).await);
            }
        }
        for load in LOADS {
            let peers = join_all((0..load).map(|_| service.peer())).await;
            let cpu = service.cpu();
            let row = asked(scale, kind.name(), peers).await;
            let used = service.cpu().saturating_sub(cpu);
            rows.push(
                row.with("its_cpu_pct", 100.0 * used.as_secs_f64() / scale.lasting.as_secs_f64()),
            );
        }
        service.stop().await;
    }
    rows
}

/// Everybody asks, one question after the other.
async fn asked(scale: &Scale, who: &str, peers: Vec<Peer>) -> Row {
    let load = peers.len();
    let watch = Stopwatch::start();
    let asking = peers.into_iter().map(|peer| async move {
        let (begun, mut latencies) = (Instant::now(), Vec::new());
        while begun.elapsed() < scale.lasting {
            let asked = Instant::now();
            peer.ask("health", json!({})).await;
            latencies.push(asked.elapsed());
        }
        latencies
    });
    let latencies = join_all(asking).await.concat();
    let sample = watch.stop(latencies);
    Row::new(format!("{who}, {load} connections"))
        .with("per_s", sample.per_second())
        .with("p50_ms", sample.percentile(50))
        .with("p99_ms", sample.percentile(99))
        .with("lasted_ms", millis(sample.elapsed()))
}
