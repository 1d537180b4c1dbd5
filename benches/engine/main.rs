//! The engine against its own store and the bare disk, in one run on a real directory.
//!
//! `cargo bench --bench engine -- [--quick] [--json] [--only whole,memory] [--loads 256]`
//!
//! Figures move with the machine and its neighbours: compare rows of one run, and repeat before
//! you quote. Nothing here asserts on time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench talks to its terminal, and one that cannot go on has nothing to report"
)]

mod churn;
mod compaction;
mod cron;
mod floor;
mod hung;
mod measure;
mod memory;
mod platform;
mod recovery;
mod report;
mod store_only;
mod stream;
mod whole;

/// As the program has it, so that its memory is what is measured.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use report::Report;

/// What can be measured, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Appends and fdatasync, no store.
    Floor,
    /// The commits of a turn, no engine.
    Store,
    /// The whole engine.
    Whole,
    /// A restart behind unanswered messages.
    Recovery,
    /// Others while a lane, a channel or a provider hangs.
    Hung,
    /// From a provider's piece of text to a subscriber.
    Stream,
    /// Resident memory.
    Memory,
    /// Commits while the store is compacted.
    Compaction,
    /// The size of the files under turns without end.
    Churn,
    /// Jobs that wait.
    Cron,
}

#[derive(Debug, Parser)]
struct Options {
    /// About a minute instead of several.
    #[arg(long)]
    quick: bool,
    /// One JSON document instead of the table.
    #[arg(long)]
    json: bool,
    /// Only these sections.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// Tasks or sessions at once, instead of 1,16,256,1024.
    #[arg(long, value_delimiter = ',')]
    loads: Vec<usize>,
    /// Where the databases go: a real disk, not a file system in memory.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Answer a backlog of this many people x messages, left in `--dir`, and print the figures.
    #[arg(long, hide = true)]
    recover: Option<String>,
    /// Given by `cargo bench`; `cargo test` leaves it away and means: only see that it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
#[derive(Debug, Clone)]
struct Scale {
    dir: PathBuf,
    /// How long each round of a load lasts.
    lasting: Duration,
    /// Tasks or sessions at once.
    loads: Vec<usize>,
    /// Messages found unanswered after a restart.
    messages: usize,
    /// Sessions alive at once.
    sessions: usize,
    /// Sessions that have spoken and sleep.
    sleepers: usize,
    /// Idle time before a session is passivated.
    idle_max: Duration,
    /// Records alive while the store churns.
    records: u64,
    /// Turns that go through them.
    turns: u64,
}

impl Scale {
    fn of(options: &Options) -> Self {
        let full = Self {
            dir: options.dir.clone(),
            lasting: Duration::from_secs(4),
            loads: vec![1, 16, 256, 1024],
            messages: 10_000,
            sessions: 10_000,
            sleepers: 100_000,
            idle_max: Duration::from_secs(30),
            records: 20_000,
            turns: 1_000_000,
        };
        let mut scale = match (options.quick, options.bench) {
            (true, _) => Self { lasting: Duration::from_secs(1), turns: 100_000, ..full },
            (false, true) => full,
            (false, false) => Self {
                lasting: Duration::from_millis(50),
                loads: vec![1, 16],
                messages: 100,
                sessions: 100,
                sleepers: 300,
                idle_max: Duration::from_millis(500),
                records: 500,
                turns: 3_000,
                ..full
            },
        };
        if !options.loads.is_empty() {
            scale.loads.clone_from(&options.loads);
        }
        scale
    }

    fn temp_dir(&self) -> tempfile::TempDir {
        tempfile::Builder::new().prefix("engine-bench-").tempdir_in(&self.dir).unwrap()
    }
}

fn main() {
    let options = Options::parse();
    let scale = Scale::of(&options);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(backlog) = &options.recover {
        return runtime.block_on(recovery::recover(&options.dir, backlog));
    }
    let report = runtime.block_on(measure_all(&options, &scale));
    if options.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.table());
    }
}

async fn measure_all(options: &Options, scale: &Scale) -> Report {
    let wanted = |section| options.only.is_empty() || options.only.contains(&section);
    let mut report = Report::default();
    // First, while nothing else has touched the heap.
    if wanted(Section::Memory) {
        report.add(Section::Memory, memory::measure(scale).await);
    }
    if wanted(Section::Floor) {
        report.add(Section::Floor, floor::measure(scale));
    }
    if wanted(Section::Store) || wanted(Section::Whole) {
        let (mut store, whole) = whole::measure(scale).await;
        store.extend(store_only::measure(scale).await);
        report.add(Section::Store, store);
        report.add(Section::Whole, whole);
    }
    if wanted(Section::Recovery) {
        report.add(Section::Recovery, recovery::measure(scale).await);
    }
    if wanted(Section::Hung) {
        report.add(Section::Hung, hung::measure(scale).await);
    }
    if wanted(Section::Stream) {
        report.add(Section::Stream, stream::measure(scale).await);
    }
    if wanted(Section::Compaction) {
        report.add(Section::Compaction, compaction::measure(scale).await);
    }
    if wanted(Section::Churn) {
        report.add(Section::Churn, churn::measure(scale).await);
    }
    if wanted(Section::Cron) {
        report.add(Section::Cron, cron::measure(scale).await);
    }
    report
}
