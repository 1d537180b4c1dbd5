//! `telson cron next`: when an expression comes, without a service.

use std::process::ExitCode;

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::cron::schedule::{self, Schedule};
use telson_actors::cron::words;

use super::super::exit::Failure;
use super::super::output::Output;

/// What is asked.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct NextArgs {
    /// The expression: five fields, or six with seconds in front.
    expr: String,
    /// The time zone, such as Europe/Berlin [default: this machine's].
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// The moment to count from, in RFC 3339 [default: now].
    #[arg(long, value_name = "RFC3339")]
    from: Option<String>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
}

/// Prints the instants strictly after the given one.
pub(super) fn run(args: &NextArgs, output: &Output) -> Result<ExitCode, Failure> {
    let rejected = |error: schedule::ScheduleError| Failure::rejected(error.to_string());
    let zone = schedule::zone_of(args.tz.as_deref(), &TimeZone::system()).map_err(rejected)?;
    let from = match &args.from {
        None => Clock::system().now(),
        Some(text) => Timestamp(
            text.parse::<Instant>()
                .map_err(|error| Failure::rejected(format!("--from {text}: {error}")))?
                .as_millisecond(),
        ),
    };
    let count = usize::from(args.count);
    let found = schedule::next_instants(&args.expr, &zone, from, count).map_err(rejected)?;
    if found.is_empty() {
        return Err(Failure::rejected(format!(
            "{:?} never comes: there is no such date",
            args.expr
        )));
    }
    let lines: Vec<String> = found.iter().map(|at| in_zone(*at, &zone)).collect();
    let document: Value = found.iter().map(|at| json!(words::moment(*at))).collect();
    let moved = Schedule::Cron { expr: args.expr.clone(), zone: None, stagger_ms: None };
    output.show(&document, || {
        let note = match moved.spread_over() {
            None => "",
            Some(_) => {
                "a job of this comes up to 5 minutes later, unless it is made with --exact\n"
            }
        };
        format!("{}\n{}\n{note}", words::expression(&args.expr), lines.join("\n"))
    });
    Ok(ExitCode::SUCCESS)
}

/// A moment by the clock on the wall there.
pub(super) fn in_zone(at: Timestamp, zone: &TimeZone) -> String {
    let known = Instant::from_millisecond(at.0);
    known.map_or_else(
        |_| words::moment(at),
        |known| known.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z (%a)").to_string(),
    )
}
