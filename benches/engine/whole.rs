//! The whole engine in a closed loop: each person writes again when the reply has come.

use std::ops::Range;
use std::time::Duration;

use telson::Engine;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::measure::{Sample, Stopwatch, count};
use super::platform::{Platform, admit};
use super::report::Row;
use super::store_only;

/// Rounds of each load; the middle one is reported.
const ROUNDS: usize = 3;

/// One load, on the store alone and on the engine.
struct Round {
    store: Sample,
    whole: Sample,
    /// Groups of commits the engine made durable, per message.
    syncs_each: f64,
}

impl Round {
    fn share(&self) -> f64 {
        self.whole.per_second() / self.store.per_second()
    }
}

/// Store and engine take turns under each load, so that a slow moment of the machine meets both:
/// the rows of the store alone, and those of the engine. Latencies of the engine are from the offer
/// of a message to the arrival of its reply.
pub(crate) async fn measure(scale: &Scale) -> (Vec<Row>, Vec<Row>) {
    let mut rows = (Vec::new(), Vec::new());
    for sessions in scale.loads.iter().copied() {
        let mut rounds = Vec::new();
        for number in 1..=ROUNDS {
            eprintln!("store and whole engine: {sessions} at once, round {number} of {ROUNDS}");
            let store = store_only::load(scale, sessions, false).await;
            let (whole, syncs_each) = load(scale, sessions).await;
            rounds.push(Round { store, whole, syncs_each });
        }
        let case = format!("{sessions} at once");
        rows.0.push(middle(&rounds, |round| round.store.per_second()).store.row(&case));
        let whole = middle(&rounds, |round| round.whole.per_second());
        let share = middle(&rounds, Round::share).share();
        let row = whole.whole.row(&case).with("syncs_each", whole.syncs_each);
        rows.1.push(row.with("of_store_only", share));
    }
    rows
}

/// The round that is neither the best nor the worst by this figure.
fn middle(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> &Round {
    let mut all: Vec<&Round> = rounds.iter().collect();
    all.sort_by(|left, right| figure(left).total_cmp(&figure(right)));
    all[all.len() / 2]
}

/// One round of the engine: its sample, and syncs per message.
async fn load(scale: &Scale, sessions: usize) -> (Sample, f64) {
    let (dir, platform) = (scale.temp_dir(), Platform::new(sessions));
    let engine = platform.builder(dir.path()).start().await.unwrap();
    // Sessions are alive before the watch runs.
    converse(&engine, &platform, 0..sessions, 0, Duration::ZERO).await;
    let (watch, before) = (Stopwatch::start(), engine.store_stats().groups);
    let latencies = converse(&engine, &platform, 0..sessions, 1, scale.lasting).await;
    let sample = watch.stop(latencies);
    let syncs = engine.store_stats().groups - before;
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    let syncs_each = count(usize::try_from(syncs).unwrap()) / sample.count().max(1.0);
    (sample, syncs_each)
}

/// These people speak for so long, and at least once; their messages are numbered from `first`.
pub(crate) async fn converse(
    engine: &Engine,
    platform: &Platform,
    people: Range<usize>,
    first: u64,
    lasting: Duration,
) -> Vec<Duration> {
    let end = Instant::now() + lasting;
    let mut running = JoinSet::new();
    for person in people {
        let (engine, platform) = (engine.clone(), platform.clone());
        running.spawn(async move {
            let (mut latencies, mut number) = (Vec::new(), first);
            loop {
                let began = Instant::now();
                admit(&engine, person, number).await.unwrap();
                platform.replied_to(person).await;
                latencies.push(began.elapsed());
                number += 1;
                if Instant::now() >= end {
                    return latencies;
                }
            }
        });
    }
    running.join_all().await.concat()
}
