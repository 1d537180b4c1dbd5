//! Jobs that wait: what they weigh, what waiting costs, and how punctual they are.
//!
//! Processor time is of the whole process over a fixed time, so that busy neighbours do not count.
//! A job is late by the time from its instant to the moment in which its run has begun: behind the
//! commit of its claim, so that the disk is in it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::Engine;
use telson_actors::clock::Clock;
use telson_actors::cron::CronSettings;
use telson_actors::cron::wake::{Event, Wake, Woken};
use telson_actors::router::AdmitError;

use super::Scale;
use super::measure::{Stopwatch, count, millis, resident_mb};
use super::report::Row;

/// Jobs that come every second, beside those that wait.
const PUNCTUAL: usize = 50;

/// Takes events, and notes how late they are.
struct Ledger {
    clock: Clock,
    late: Mutex<Vec<Duration>>,
}

impl Wake for Ledger {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        let now = self.clock.now();
        let at = event.run.rsplit_once(':').and_then(|(_, at)| at.parse().ok());
        let late = now.since(telson_actors::clock::Timestamp(at.unwrap_or(now.0)));
        self.late.lock().unwrap().push(late);
        Box::pin(std::future::ready(Ok(Woken::Done)))
    }
}

/// Each row is one state of the same engine.
pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let jobs = scale.sessions;
    eprintln!("cron: {jobs} jobs that wait");
    let (dir, clock) = (scale.temp_dir(), Clock::system());
    let ledger = Arc::new(Ledger { clock, late: Mutex::default() });
    let settings = CronSettings { runs_max: PUNCTUAL, ..CronSettings::default() };
    let builder = Engine::builder().state_dir(dir.path()).cron(settings).wake(ledger.clone());
    let engine = builder.start().await.unwrap();
    let cron = engine.cron().unwrap();
    let (begin, mut rows) = (resident_mb(), vec![waiting("no jobs", scale, 0.0, 0).await]);
    for nth in 0..jobs {
        let job = json!({
            "id": format!("wait-{nth}"), "payload": {"kind": "systemEvent", "text": "time"},
            // None of them comes while it is measured.
            "schedule": {"kind": "every", "everyMs": 86_400_000},
        });
        cron.add(job).await.unwrap();
    }
    rows.push(waiting(format!("{jobs} jobs"), scale, begin, jobs).await);
    for nth in 0..PUNCTUAL {
        let job = json!({
            "id": format!("tick-{nth}"), "payload": {"kind": "systemEvent", "text": "time"},
            "schedule": {"kind": "every", "everyMs": 1000, "anchorMs": nth * 20},
        });
        cron.add(job).await.unwrap();
    }
    ledger.late.lock().unwrap().clear();
    let watch = Stopwatch::start();
    tokio::time::sleep(scale.lasting * 5).await;
    let late = std::mem::take(&mut *ledger.late.lock().unwrap());
    rows.push(watch.stop(late).row(format!("{PUNCTUAL} a second, late by")));
    engine.shutdown(Duration::from_secs(5)).await;
    rows
}

/// What it costs to wait, over longer than the longest pause between two looks at the clock.
async fn waiting(case: impl Into<String>, scale: &Scale, begin: f64, jobs: usize) -> Row {
    let watch = Stopwatch::start();
    tokio::time::sleep(scale.lasting * 20).await;
    let (cpu, elapsed, now) = (millis(watch.cpu()), millis(watch.elapsed()), resident_mb());
    let row = Row::new(case).with("cpu_percent", cpu / elapsed * 100.0).with("cpu_ms", cpu);
    let row = row.with("seconds", elapsed / 1000.0).with("resident_mb", now);
    if jobs == 0 { row } else { row.with("kb_each", (now - begin) * 1024.0 / count(jobs)) }
}
