//! A restart behind messages that were admitted and not answered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine, Limits, StartError};
use telson_actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson_actors::store::StoreError;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::measure::count;
use super::platform::{Platform, admit};
use super::report::Row;

/// Who offers messages at the same time.
const OFFERING: usize = 64;

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
    let few = (scale.messages / 10, 10);
    let many = (scale.messages, 1);
    let mut rows = Vec::new();
    for (people, each) in [few, many] {
        eprintln!("recovery: {people} people with {each} messages each");
        rows.push(restart(scale, people, each).await);
    }
    rows
}

async fn restart(scale: &Scale, people: usize, each: usize) -> Row {
    let (dir, messages) = (scale.temp_dir(), people * each);
    let admitted = leave_unanswered(dir.path(), people, each).await;
    let platform = Platform::expecting(messages, people);
    let (began, engine) = start(&platform.builder(dir.path())).await;
    let open = began.elapsed();
    let (first, last) = platform.all_replies().await;
    let (first, all) = (first - began, last - began);
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    Row::new(format!("{people} people x {each}"))
        .with("admitted_per_s", count(messages) / admitted.as_secs_f64())
        .with("open_s", open.as_secs_f64())
        .with("first_s", first.as_secs_f64())
        .with("all_s", all.as_secs_f64())
        .with("per_s", count(messages) / all.as_secs_f64())
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
