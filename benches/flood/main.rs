//! What a flood of half-open connections costs those who are let in: the gateway, and a bare accept
//! loop that does nothing but echo, one after the other in the same run.
//!
//! `cargo bench --bench flood -- [--connections 10000] [--rounds 7] [--json]`
//!
//! The flood comes from a process of its own. Quiet and flooded rounds alternate, so that a noisy
//! neighbour meets both. Figures move with the machine: compare the two rows of one run. Nothing
//! here asserts on time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench talks to its terminal, and one that cannot go on has nothing to report"
)]

mod bare;
mod caller;
mod crowd;
mod gateway;

use std::time::Duration;

use caller::{Caller, Server};
use clap::Parser;
use crowd::Crowd;
use serde_json::json;

#[derive(Debug, Parser)]
struct Args {
    /// Connections of one flood.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Quiet and flooded rounds of each server.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Be the bare accept loop, until the end of input.
    #[arg(long, hide = true)]
    bare: bool,
    /// Be the flood at this port, until the end of input.
    #[arg(long, hide = true)]
    flood: Option<u16>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Calls of a quiet round, and of one behind a flood.
const CALLS: usize = 300;

/// What one server has shown. Times in milliseconds, medians over the rounds.
struct Row {
    name: &'static str,
    quiet: f64,
    during: f64,
    behind: f64,
    flood: f64,
    cpu: f64,
    memory_kib: u64,
}

fn main() {
    let args = Args::parse();
    match (args.bare, args.flood) {
        (true, _) => bare::serve(),
        (_, Some(port)) => crowd::flood(port, args.connections),
        _ => report(&args),
    }
}

fn report(args: &Args) {
    crowd::raise_open_files();
    let rows = [row("bare accept loop", bare::start, args), row("gateway", gateway::start, args)];
    if args.json {
        let rows = rows.map(|row| {
            json!({
                "server": row.name, "quietP99Ms": row.quiet, "duringP99Ms": row.during,
                "behindP99Ms": row.behind, "floodMs": row.flood,
                "cpuMicrosPerConnection": row.cpu, "residentKib": row.memory_kib,
            })
        });
        return println!("{}", json!({"connections": args.connections, "rows": rows}));
    }
    println!(
        "{:<18}{:>10}{:>10}{:>10}{:>10}{:>14}{:>12}",
        "p99 in ms", "quiet", "during", "behind", "flood", "cpu us/conn", "RSS KiB"
    );
    for row in rows {
        println!(
            "{:<18}{:>10.2}{:>10.2}{:>10.2}{:>10.0}{:>14.1}{:>12}",
            row.name, row.quiet, row.during, row.behind, row.flood, row.cpu, row.memory_kib
        );
    }
}

fn row<S: Server>(name: &'static str, start: impl Fn() -> S, args: &Args) -> Row {
    let server = start();
    let mut caller = server.caller();
    caller.calls(CALLS);
    let mut rounds: [Vec<f64>; 5] = Default::default();
    let mut memory_kib = 0;
    for _ in 0..args.rounds {
        let before = server.cpu();
        rounds[0].push(p99(caller.calls(CALLS)));
        let cpu = server.cpu();
        let of_calls = cpu.saturating_sub(before) / u32::try_from(CALLS).unwrap();
        let crowd = Crowd::start(server.port(), args.connections);
        let mut times = Vec::new();
        while !crowd.is_complete() {
            times.extend(caller.calls(1));
        }
        rounds[3].push(millis(crowd.lasted()));
        let calls = u32::try_from(times.len() + CALLS).unwrap();
        rounds[1].push(p99(times));
        rounds[2].push(p99(caller.calls(CALLS)));
        // The calls have their share; what is left is the flood's.
        let spent = server.cpu().saturating_sub(cpu).saturating_sub(of_calls * calls);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        rounds[4].push(spent.as_micros() as f64 / args.connections as f64);
        memory_kib = memory_kib.max(server.resident_kib());
        drop(crowd);
    }
    let [quiet, during, behind, flood, cpu] = rounds.map(median);
    Row { name, quiet, during, behind, flood, cpu, memory_kib }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * 99 / 100).copied().map_or(0.0, millis)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
