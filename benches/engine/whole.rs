//! The whole engine in a closed loop: each person writes again when the reply has come.

use std::cmp::Ordering;
use std::time::Duration;

use telson::Engine;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scale;
use super::measure::{Sample, Stopwatch};
use super::platform::{Platform, admit};
use super::report::Row;
use super::store_only;

/// Rounds of each load; the middle one is reported.
const ROUNDS: usize = 3;

/// Store and engine take turns under each load, so that a slow moment of the machine meets both:
/// the rows of the store alone, and those of the engine. Latencies of the engine are from the offer
/// of a message to the arrival of its reply.
pub(crate) async fn measure(scale: &Scale) -> (Vec<Row>, Vec<Row>) {
    let mut rows = (Vec::new(), Vec::new());
    for sessions in scale.loads.iter().copied() {
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            eprintln!("store and whole engine: {sessions} at once, round {round} of {ROUNDS}");
            let store = store_only::load(scale, sessions, false).await;
            rounds.push((store, load(scale, sessions).await));
        }
        let case = format!("{sessions} at once");
        let share = |(store, whole): &(Sample, Sample)| whole.per_second() / store.per_second();
        let shares = rounds.iter().map(share).collect();
        let (store, whole): (Vec<Sample>, Vec<Sample>) = rounds.into_iter().unzip();
        rows.0.push(median(store).row(&case));
        rows.1.push(median(whole).row(&case).with("of_store_only", middle(shares, f64::total_cmp)));
    }
    rows
}

/// The round of middling speed.
fn median(rounds: Vec<Sample>) -> Sample {
    middle(rounds, |left, right| left.per_second().total_cmp(&right.per_second()))
}

fn middle<T>(mut all: Vec<T>, compare: impl FnMut(&T, &T) -> Ordering) -> T {
    all.sort_by(compare);
    all.swap_remove(all.len() / 2)
}

async fn load(scale: &Scale, sessions: usize) -> Sample {
    let (dir, platform) = (scale.temp_dir(), Platform::new(sessions));
    let engine = platform.builder(dir.path()).start().await.unwrap();
    // Sessions are alive before the watch runs.
    converse(&engine, &platform, sessions, 0, Duration::ZERO).await;
    let watch = Stopwatch::start();
    let latencies = converse(&engine, &platform, sessions, 1, scale.lasting).await;
    let sample = watch.stop(latencies);
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    sample
}

/// Everybody speaks for so long, and at least once; their messages are numbered from `first`.
pub(crate) async fn converse(
    engine: &Engine,
    platform: &Platform,
    people: usize,
    first: u64,
    lasting: Duration,
) -> Vec<Duration> {
    let end = Instant::now() + lasting;
    let mut running = JoinSet::new();
    for person in 0..people {
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
