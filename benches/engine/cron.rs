//! Jobs that wait: what they weigh, what waiting costs, and how punctual they are.
//!
//! Processor time is of the whole process over a fixed time, so that busy neighbours do not count.
//! A job is late by the time from its instant to the moment in which its run has begun: behind the
//! commit of its claim, so that the disk is in it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::Engine;
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::cron::CronSettings;
use telson_actors::cron::wake::{Event, Wake, Woken};
use telson_actors::router::AdmitError;

use super::Scale;
use super::measure::{Stopwatch, count, millis, resident_mb};
use super::report::Row;

/// Jobs that come every second beside those that wait, and for how many rounds they are measured.
const RATES: [(usize, u32); 2] = [(5, 15), (50, 5)];

/// Takes events, and notes how late they are.
struct Ledger {
    clock: Clock,
    late: Mutex<Vec<Duration>>,
}

impl Wake for Ledger {
    fn system_event(&self, event: Event) -> BoxFuture<'_, Result<Woken, AdmitError>> {
        let now = self.clock.now();
        let at = event.run.rsplit_once(':').and_then(|(_, at)| at.parse().ok());
        let late = now.since(Timestamp(at.unwrap_or(now.0)));
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
    let settings = CronSettings { runs_max: RATES[1].0, ..CronSettings::default() };
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
    let mut made = 0;
    for (rate, times) in RATES {
        for nth in made..rate {
            // Spread over the second, each at an instant of its own.
            let job = json!({
                "id": format!("tick-{nth}"), "payload": {"kind": "systemEvent", "text": "time"},
                "schedule": {"kind": "every", "everyMs": 1000, "anchorMs": nth * 197},
            });
            cron.add(job).await.unwrap();
        }
        made = rate;
        ledger.late.lock().unwrap().clear();
        let (watch, beside) = (Stopwatch::start(), Stopwatch::start());
        let bare = bare_timers(dir.path(), clock, scale.lasting * times).await;
        let late = std::mem::take(&mut *ledger.late.lock().unwrap());
        rows.push(watch.stop(late).row(format!("{rate} a second, late by")));
        rows.push(beside.stop(bare).row("  a timer and a synced write"));
    }
    engine.shutdown(Duration::from_secs(5)).await;
    rows
}

/// How late a timer and a write that is synced are meanwhile, without jobs: what no scheduler beats
/// that claims a run before it begins. Five times a second.
async fn bare_timers(dir: &Path, clock: Clock, lasting: Duration) -> Vec<Duration> {
    let mut file = File::create(dir.join("bare")).unwrap();
    let (mut late, end) = (Vec::new(), clock.now().plus(lasting));
    while clock.now() < end {
        let now = clock.now();
        let next = Timestamp((now.0 / 200 + 1) * 200 + 100);
        tokio::time::sleep(next.since(now)).await;
        tokio::task::block_in_place(|| {
            file.write_all(&[0; 256]).unwrap();
            file.sync_data().unwrap();
        });
        late.push(clock.now().since(next));
    }
    late
}

/// What it costs to wait, over longer than the longest pause between two looks at the clock.
async fn waiting(case: impl Into<String>, scale: &Scale, begin: f64, jobs: usize) -> Row {
    let watch = Stopwatch::start();
    tokio::time::sleep(scale.lasting * 20).await;
    let (cpu, elapsed, now) = (millis(watch.cpu()), millis(watch.elapsed()), resident_mb());
    let row = Row::new(case).with("cpu_percent", cpu / elapsed * 100.0).with("cpu_ms", cpu);
    let row = row.with("seconds", elapsed / 1000.0).with("resident_mb", now);
    row.with("kb_each", if jobs == 0 { 0.0 } else { (now - begin) * 1024.0 / count(jobs) })
}
