//! How many instructions the hot paths take: figures that a busy machine can't blur.
//!
//! `cargo bench --bench instructions -- [--only lane] [--compare | --save]`
//!
//! Needs valgrind. The baseline beside this file belongs to one compiler and architecture: after a
//! change of either, or one that is meant to cost something, save it anew and say why.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench talks to its terminal, and one that cannot go on has nothing to report"
)]

mod cases;
mod count;
#[path = "../fixtures/mod.rs"]
mod fixtures;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use cases::{CASES, Case};
use clap::Parser;
use count::{Failure, instructions};
use serde::{Deserialize, Serialize};

/// Growth beyond this is reported, in percent: hashing is seeded anew in each run.
const GROWTH_MAX: f64 = 5.0;
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.json");

#[derive(Debug, Parser)]
struct Options {
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Fail if a case takes more than 5 % more than the baseline, or can't be counted.
    #[arg(long, conflicts_with = "save")]
    compare: bool,
    /// Write the baseline.
    #[arg(long)]
    save: bool,
    /// Do this case so many times and end; what runs under valgrind.
    #[arg(long, hide = true)]
    run: Option<String>,
    #[arg(long, hide = true, default_value_t = 1)]
    times: u64,
    /// Given by `cargo bench`; `cargo test` leaves it away and means: only see that it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What was counted once.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Baseline {
    /// The compiler and architecture it was counted with.
    built_by: String,
    /// Instructions of one repetition, by case.
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = |case: &&Case| case.0.contains(&options.only);
    if let Some(name) = &options.run {
        for (_, case) in CASES.iter().filter(|(case, _)| case == name) {
            case(options.times);
        }
        return ExitCode::SUCCESS;
    }
    if !options.bench {
        for (name, case) in CASES.iter().filter(wanted) {
            case(2);
            println!("{name}: runs");
        }
        return ExitCode::SUCCESS;
    }
    let mut counted = Baseline { built_by: built_by(), ..Baseline::default() };
    for (name, _) in CASES.iter().filter(wanted) {
        match instructions(name) {
            Ok(number) => drop(counted.instructions.insert((*name).into(), number)),
            Err(Failure::NoValgrind) => {
                eprintln!("valgrind is not installed: nothing can be counted on this machine");
                return if options.compare || options.save {
                    ExitCode::FAILURE
                } else {
                    ExitCode::SUCCESS
                };
            }
            Err(Failure::Unread(said)) => {
                eprintln!("{name} could not be counted; valgrind said:\n{said}");
                return ExitCode::FAILURE;
            }
        }
    }
    let grown = show(&counted, &baseline());
    if options.save {
        let text = serde_json::to_string_pretty(&counted).unwrap();
        std::fs::write(BASELINE, text + "\n").unwrap();
    }
    if options.compare && grown { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn baseline() -> Baseline {
    let text = std::fs::read_to_string(Path::new(BASELINE)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Prints the counts beside the baseline; whether any has grown too much.
fn show(counted: &Baseline, before: &Baseline) -> bool {
    if !before.built_by.is_empty() && before.built_by != counted.built_by {
        println!("the baseline was built by {}, this by {}", before.built_by, counted.built_by);
    }
    println!("{:<40}{:>14}{:>14}{:>10}", "instructions each", "now", "baseline", "growth");
    let mut grown = false;
    for (name, now) in &counted.instructions {
        let Some(old) = before.instructions.get(name) else {
            println!("{name:<40}{now:>14}{:>14}", "-");
            continue;
        };
        let growth = percent(*now, *old);
        let mark = if growth > GROWTH_MAX { " <-" } else { "" };
        grown |= growth > GROWTH_MAX;
        println!("{name:<40}{now:>14}{old:>14}{growth:>9.1}%{mark}");
    }
    grown
}

#[expect(clippy::cast_precision_loss, reason = "no count here is near 2^52")]
fn percent(now: u64, before: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

/// Counts of different compilers or architectures do not compare.
fn built_by() -> String {
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let version = rustc.map(|ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned());
    format!("{} for {}", version.unwrap_or_default(), std::env::consts::ARCH)
}
