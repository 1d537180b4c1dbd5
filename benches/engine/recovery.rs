//! A restart behind messages that were admitted and not answered.
//!
//! The second life is a process of its own, as after a crash: its memory holds nothing of the first.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine, Limits, StartError};
use telson_actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson_actors::session::lane::LaneSettings;
use telson_actors::store::StoreError;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::measure::{Stopwatch, count, millis, resident_max_mb, resident_mb};
use super::platform::{Platform, admit, show_crashes};
use super::report::Row;

/// Who offers messages at the same time.
const OFFERING: usize = 64;
/// What a second life reports, in this order.
const FIGURES: [&str; 7] =
    ["open_s", "first_s", "all_s", "per_s", "cpu_ms_each", "begin_mb", "peak_mb"];

/// A model that never answers.
struct Silent;

impl Provider for Silent {
    fn stream<'a>(
        &'a self,
        _: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(std::future::pending())
    }
}

pub(crate) async fn measure(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for each in [1, 10, 100] {
        let people = scale.messages / each;
        eprintln!("recovery: {people} people with {each} messages each");
        rows.push(restart(scale, people, each).await);
    }
    rows
}

async fn restart(scale: &Scale, people: usize, each: usize) -> Row {
    let dir = scale.temp_dir();
    let admitted = leave_unanswered(dir.path(), people, each).await;
    let second = Command::new(std::env::current_exe().unwrap())
        .args(["--recover", &format!("{people}x{each}"), "--dir"])
        .arg(dir.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(second.status.success(), "the second life failed");
    let figures = String::from_utf8(second.stdout).unwrap();
    let figures = figures.split_whitespace().map(|figure| figure.parse().unwrap());
    let admitted_per_s = count(people * each) / admitted.as_secs_f64();
    let row = Row::new(format!("{people} people x {each}")).with("admitted_per_s", admitted_per_s);
    FIGURES.into_iter().zip(figures).fold(row, |row, (name, figure)| row.with(name, figure))
}

/// The second life: answers what `people x each` left in `dir`, and prints its figures.
pub(crate) async fn recover(dir: &Path, backlog: &str) {
    let (people, each) = backlog.split_once('x').unwrap();
    let (people, each): (usize, usize) = (people.parse().unwrap(), each.parse().unwrap());
    let messages = people * each;
    let platform = Platform::expecting(messages, people);
    // One turn per message, however slow the machine is.
    let lane = LaneSettings { cap: each, ..LaneSettings::default() };
    let (begin_mb, watch) = (resident_mb(), Stopwatch::start());
    let (began, engine) = start(&platform.builder(dir).lane("", lane)).await;
    let open = began.elapsed();
    let _showing = show_crashes(&engine);
    let (first, last) = platform.all_replies().await;
    let (first, all) = (first - began, last - began);
    let (cpu, peak_mb) = (watch.cpu(), resident_max_mb());
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    let [open, first, all] = [open, first, all].map(|time| time.as_secs_f64());
    let (per_s, cpu) = (count(messages) / all, millis(cpu) / count(messages));
    println!("{open} {first} {all} {per_s} {cpu} {begin_mb} {peak_mb}");
}

/// A first life in which everything is admitted and nothing answered. Tells how long it took.
async fn leave_unanswered(dir: &Path, people: usize, each: usize) -> Duration {
    let platform = Platform::new(people);
    let limits = Limits { waiting_max: u64::MAX, ..Limits::default() };
    let builder = platform.builder(dir).provider("echo", Arc::new(Silent)).limits(limits);
    let engine = builder.start().await.unwrap();
    let began = Instant::now();
    let mut offering = JoinSet::new();
    for offset in 0..OFFERING {
        let engine = engine.clone();
        offering.spawn(async move {
            for person in (offset..people).step_by(OFFERING) {
                for number in 0..each {
                    admit(&engine, person, number as u64).await.unwrap();
                }
            }
        });
    }
    offering.join_all().await;
    let admitted = began.elapsed();
    engine.shutdown(Duration::ZERO).await;
    admitted
}

/// Starts as soon as the first life has let go of its directory; tells when that was.
async fn start(builder: &Builder) -> (Instant, Engine) {
    loop {
        let began = Instant::now();
        match builder.clone().start().await {
            Ok(engine) => return (began, engine),
            Err(StartError::Store(StoreError::Locked { .. })) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
