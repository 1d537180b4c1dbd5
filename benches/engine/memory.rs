//! Resident memory: of an idle engine, and of sessions alive and asleep.

use std::time::Duration;

use telson::{Engine, Limits};
use telson_supervision::Node;

use super::Scale;
use super::measure::{count, resident_mb};
use super::platform::Platform;
use super::report::Row;
use super::whole::converse;

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    eprintln!("memory: {} sessions", scale.sessions);
    let begin = resident_mb();
    let (dir, platform) = (scale.temp_dir(), Platform::new(scale.sessions));
    let limits = Limits { session_idle_max: scale.idle_max, ..Limits::default() };
    let engine = platform.builder(dir.path()).limits(limits).start().await.unwrap();
    let idle = resident_mb();
    let row = |case: String, live: usize, mb: f64| {
        let kb_each = if live == 0 { 0.0 } else { (mb - idle) * 1024.0 / count(live) };
        Row::new(case).with("resident_mb", mb).with("live", count(live)).with("kb_each", kb_each)
    };
    let mut rows =
        vec![row("before the engine".into(), 0, begin), row("idle engine".into(), 0, idle)];
    for (round, first) in [("", 0), (" again", 1)] {
        converse(&engine, &platform, scale.sessions, first, Duration::ZERO).await;
        engine.drain(Duration::from_mins(1)).await;
        rows.push(row(format!("everybody has spoken{round}"), live(&engine), resident_mb()));
        while live(&engine) > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        rows.push(row(format!("all asleep{round}"), 0, resident_mb()));
    }
    engine.shutdown(Duration::from_secs(5)).await;
    rows
}

/// Session actors alive now.
fn live(engine: &Engine) -> usize {
    fn of(node: &Node) -> usize {
        node.live.unwrap_or(0) + node.children.iter().map(of).sum::<usize>()
    }
    of(&engine.tree())
}
