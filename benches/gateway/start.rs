//! From the start of the program to its first answer to `health`.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;

use super::measure::{count, millis};
use super::report::Row;
use super::service::{Kind, Service};
use super::{Scale, model};

/// Sessions made at once.
const AT_ONCE: usize = 100;

/// With an empty store, and with one full of sessions.
pub(crate) async fn measure(scale: &Scale, kinds: &[Kind]) -> Vec<Row> {
    let model = model::serve().await;
    let mut rows = Vec::new();
    for kind in kinds {
        eprintln!("start: {}", kind.name());
        let mut first = Vec::new();
        for _ in 0..scale.starts {
            let home = tempfile::tempdir_in(&scale.dir).unwrap();
            let service = Service::start(kind, home.path(), &model).await;
            first.push(service.ready_after);
            service.stop().await;
        }
        rows.push(row(format!("{}, first start", kind.name()), first));
        if matches!(kind, Kind::Telson) {
            let home = tempfile::tempdir_in(&scale.dir).unwrap();
            fill(scale, kind, home.path(), &model).await;
            let mut again = Vec::new();
            for _ in 0..scale.starts {
                let service = Service::start(kind, home.path(), &model).await;
                again.push(service.ready_after);
                service.stop().await;
            }
            rows.push(row(format!("{}, {} sessions", kind.name(), scale.sessions), again));
        }
    }
    rows
}

/// Leaves a store in which everybody has spoken once.
async fn fill(scale: &Scale, kind: &Kind, home: &Path, model: &str) {
    let service = Service::start(kind, home, model).await;
    let peer = service.peer().await;
    let speaking = (0..scale.sessions).map(|session| {
        let peer = peer.clone();
        async move {
            let (key, mark) = (format!("agent:main:bench-{session}"), format!("MSG-{session}"));
            let end = peer.turn(&key, &format!("hello {mark}"), &mark).await;
            assert_eq!(end["state"], "final", "{end}");
        }
    });
    futures_util::stream::iter(speaking).buffer_unordered(AT_ONCE).count().await;
    service.stop().await;
}

fn row(case: String, mut starts: Vec<Duration>) -> Row {
    starts.sort_unstable();
    let at =
        |share: usize| starts.get((starts.len() - 1) * share / 100).copied().unwrap_or_default();
    Row::new(case)
        .with("p50_ms", millis(at(50)))
        .with("min_ms", millis(at(0)))
        .with("max_ms", millis(at(100)))
        .with("starts", count(starts.len()))
}
