//! Resident memory: of an idle engine, and of sessions alive and asleep.

use std::ops::Range;
use std::time::Duration;

use telson::{Engine, Limits};
use telson_supervision::Node;

use super::Scale;
use super::measure::{count, resident_mb};
use super::platform::{Platform, show_crashes};
use super::report::Row;
use super::whole::converse;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// People who speak at the same time.
const AT_ONCE: usize = 200;
/// Time for the allocator to give back what is free.
const SETTLE: Duration = Duration::from_secs(2);

/// Each row names the sessions that came (or went) since another row, and what one of them weighs.
pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let Scale { sessions, sleepers, .. } = *scale;
    eprintln!("memory: {sessions} sessions alive, {sleepers} asleep");
    let (dir, platform) = (scale.temp_dir(), Platform::new(sleepers.max(sessions)));
    let limits = Limits {
        session_idle_max: scale.idle_max,
        sessions_live_max: sessions,
        ..Limits::default()
    };
    let builder = platform.builder(dir.path()).limits(limits);
    let begin = resident_mb();
    let engine = builder.clone().start().await.unwrap();
    let _showing = show_crashes(&engine);
    let idle = resident_mb();
    let mut rows = vec![row("before the engine", begin, 0.0, 0), row("idle engine", idle, idle, 0)];

    let mut asleep = idle;
    for (round, first) in [("", 0), (" again", 1)] {
        eprintln!("memory: {sessions} speak{round}");
        speak(&engine, &platform, 0..sessions, first).await;
        engine.drain(Duration::from_mins(1)).await;
        rows.push(row(format!("{sessions} alive{round}"), resident_mb(), asleep, live(&engine)));
        all_asleep(&engine).await;
        asleep = resident_mb();
        rows.push(row(format!("all asleep{round}"), asleep, idle, sessions));
    }

    // Places are few: the people of one wave leave for those of the next.
    eprintln!("memory: waves of {sessions} up to {sleepers}");
    for wave in (sessions..sleepers).step_by(sessions) {
        let people = wave..(wave + sessions).min(sleepers);
        speak(&engine, &platform, people, 0).await;
    }
    engine.drain(Duration::from_mins(1)).await;
    all_asleep(&engine).await;
    rows.push(row(format!("{sleepers} asleep"), resident_mb(), idle, sleepers));
    engine.shutdown(Duration::from_secs(5)).await;
    rows
}

/// One turn each, some at a time: what a session weighs that is alive, and not what a rush does.
async fn speak(engine: &Engine, platform: &Platform, people: Range<usize>, first: u64) {
    let end = people.end;
    for begin in people.step_by(AT_ONCE) {
        let some = begin..(begin + AT_ONCE).min(end);
        converse(engine, platform, some, first, Duration::ZERO).await;
    }
}

/// What `sessions` have added to the memory since it was `since`.
fn row(case: impl Into<String>, mb: f64, since: f64, sessions: usize) -> Row {
    let kb_each = if sessions == 0 { 0.0 } else { (mb - since) * 1024.0 / count(sessions) };
    Row::new(case)
        .with("resident_mb", mb)
        .with("sessions", count(sessions))
        .with("kb_each", kb_each)
}

async fn all_asleep(engine: &Engine) {
    while live(engine) > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(SETTLE).await;
}

/// Session actors alive now.
fn live(engine: &Engine) -> usize {
    fn of(node: &Node) -> usize {
        node.live.unwrap_or(0) + node.children.iter().map(of).sum::<usize>()
    }
    of(&engine.tree())
}
