//! Whole-engine simulation: the real actors, router, sessions, outbox and delivery under one seed.
//!
//! A seed fixes everything: who writes what and when, how platforms, models and the disk misbehave,
//! which actors are killed, and at which effect the process dies. Time is tokio's paused clock, all
//! actors run on one thread, and the store commits inline. Around the engine stands a world that
//! outlives it (platforms, a model, a disk) and keeps its own record; only that record is believed.
//!
//! One run is a row of lives. Each starts a new engine on the same disk and the same world, and most
//! of them die: at the k-th effect (a commit, a call of a platform, a call of a model; before it
//! or right behind it), at a tick of the clock, by a failed disk, or by a proper stop. A dead process
//! does nothing more. The last life has calm weather and has to bring everything to an end. The
//! invariants are checked with every effect, at every quiet moment, after every life, and at the end.
//!
//! * `cargo test --test simulation`: the seeds of a CI run.
//! * `TELSON_SEEDS=100000 TELSON_FROM=5000 cargo test --release --test simulation hunt`: a long hunt.
//! * `TELSON_SEED=123 cargo test --test simulation replay -- --nocapture`: one seed, with its record.
//!
//! What is fixed by order and not by luck: maps with an effect on the outside are ordered ones, and
//! selects are biased. `two_runs_of_a_seed_are_the_same` compares the whole records of two runs of each seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test helper fails its test, and a replay prints"
)]

#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/life.rs"]
mod life;
#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/operator.rs"]
mod operator;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/planted.rs"]
mod planted;
#[path = "simulation/platform.rs"]
mod platform;
#[path = "simulation/receiver.rs"]
mod receiver;
#[path = "simulation/run.rs"]
mod run;
#[path = "simulation/switch.rs"]
mod switch;
#[path = "simulation/token.rs"]
mod token;
#[path = "simulation/tools.rs"]
mod tools;
#[path = "simulation/world.rs"]
mod world;

use run::{hunted, number_of, replayed, threads};

/// Seeds of one CI run: about a minute of two cores in a debug build.
const SEEDS: u64 = 2500;
/// Seeds that are run twice.
const TWICE: u64 = 60;

// D1, D2, D3, D4, D5, D6, D7, S1, S2, S3: whatever the outside does, and whenever the engine dies.
#[test]
fn hunt_through_seeds_finds_no_broken_promise() {
    let from = number_of("TELSON_FROM").unwrap_or(0);
    let count = number_of("TELSON_SEEDS").unwrap_or(SEEDS);
    let found = hunted(from, count, None);
    println!("{count} seeds from {from}: {}", found.tally);
    assert!(found.broken.is_empty(), "{}", found.broken.join("\n"));
    assert!(found.tally.is_busy(count), "the runs do too little: {}", found.tally);
}

#[test]
fn replay_of_one_seed() {
    let seed = number_of("TELSON_SEED").unwrap_or(0);
    let run = replayed(seed, None);
    for line in &run.record {
        println!("{line}");
    }
    assert!(run.broken.is_empty(), "seed {seed}: {:#?}", run.broken);
    assert!(run.record.len() > 10, "seed {seed} does nothing");
}

#[test]
fn two_runs_of_a_seed_are_the_same() {
    let from = number_of("TELSON_FROM").unwrap_or(0);
    // Beside each other, so that what threads share would show.
    threads(from, TWICE, &|seed| {
        let (first, second) = (replayed(seed, None), replayed(seed, None));
        let differs = first.record.iter().zip(&second.record).position(|(a, b)| a != b);
        let at = differs.unwrap_or(first.record.len().min(second.record.len()));
        assert!(
            first.record == second.record,
            "seed {seed} differs at line {at}:\n{:?}\n{:?}",
            first.record.get(at),
            second.record.get(at),
        );
    });
}
