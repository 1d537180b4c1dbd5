//! `telson selftest`: the kill sweep on this machine and disk, with a verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::args::{Place, SelftestArgs};
use super::exit::Failure;
use super::output::{Output, Tone, table};
use crate::selftest::report::{Percentiles, Report};
use crate::selftest::{Request, disk, has_ended, sweep};

/// What a shell gives a process that was interrupted.
const INTERRUPTED: u8 = 130;
/// How long killed children may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two looks whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The seed of a sweep nobody chose one for; short enough to be typed again.
const SEEDS: u64 = 1_000_000;

pub(super) async fn run(
    place: &Place,
    args: &SelftestArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let dir = folder(place, args)?;
    let report = tokio::select! {
        report = perform(args, dir.path(), output) => Some(report),
        () = interrupted() => None,
    };
    gone(dir.path()).await;
    if args.keep {
        output.say(&format!("kept in {}", dir.path().display()));
    } else {
        let path = dir.path().to_owned();
        dir.close().map_err(|error| {
            Failure::failed(format!("cannot remove {}: {error}", path.display()))
        })?;
    }
    let Some(report) = report else {
        Failure::failed("interrupted").report(output);
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let report = report?;
    let document = serde_json::to_string(&report).map_err(|e| Failure::failed(e.to_string()))?;
    output.line(&if output.is_json() { document } else { text(*output, &report) });
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn perform(args: &SelftestArgs, dir: &Path, output: &Output) -> Result<Report, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|error| failed(&error))? % SEEDS,
    };
    let probed = dir.to_owned();
    let syncs = tokio::task::spawn_blocking(move || disk::sync_times(&probed));
    let syncs = syncs.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let bar = progress(args.kills, output);
    let request = Request {
        program: &program,
        dir,
        kills: args.kills,
        messages: args.messages,
        seed,
        on_kill: &|| bar.inc(1),
    };
    let report = sweep(&request).await;
    bar.finish_and_clear();
    let report = report.map_err(|error| Failure::failed(format!("{error}\n(seed {seed})")))?;
    Ok(Report { fsync_ms: Percentiles::of(syncs), ..report })
}

/// A temporary folder on the disk in question. Socket names are short, so its name is too.
fn folder(place: &Place, args: &SelftestArgs) -> Result<TempDir, Failure> {
    let inside = |dir: &Path| {
        tempfile::Builder::new().prefix("telson-st-").disable_cleanup(args.keep).tempdir_in(dir)
    };
    let refused = |dir: &Path, error: std::io::Error| {
        Failure::rejected(format!("cannot make a temporary folder in {}: {error}", dir.display()))
    };
    if let Some(dir) = &args.dir {
        let dir = dir.canonicalize().map_err(|error| refused(dir, error))?;
        return inside(&dir).map_err(|error| refused(&dir, error));
    }
    let beside = beside_state(place).and_then(|dir| inside(&dir).ok());
    match beside {
        Some(dir) => Ok(dir),
        None => inside(&std::env::temp_dir())
            .map_err(|error| Failure::failed(format!("cannot make a temporary folder: {error}"))),
    }
}

/// The nearest folder above the state directory that is there.
fn beside_state(place: &Place) -> Option<PathBuf> {
    let state_dir = std::path::absolute(place.state_dir().ok()?).ok()?;
    state_dir.ancestors().skip(1).find(|dir| dir.is_dir()).map(Path::to_owned)
}

/// A bar for people at a terminal, nothing for others.
fn progress(kills: u32, output: &Output) -> ProgressBar {
    // Draws nothing unless standard error is a terminal.
    let target =
        if output.is_json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} kills, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(kills.into()), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Ctrl-C or SIGTERM.
async fn interrupted() {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without signals of our own the system's apply.
        _ => std::future::pending().await,
    }
}

/// Returns once no process works in the folder any more.
async fn gone(dir: &Path) {
    let end = Instant::now() + GONE_WITHIN;
    while !has_ended(dir) && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn text(output: Output, report: &Report) -> String {
    let heading = ["KILLS", "MESSAGES", "ANSWERED", "LOST", "DOUBLED", "REORDERED"];
    let row = [
        report.kills.to_string(),
        report.messages.to_string(),
        report.answered.to_string(),
        report.lost.to_string(),
        report.doubled.to_string(),
        report.reordered.to_string(),
    ];
    let counts = table(output, &[heading.map(str::to_owned).to_vec(), row.to_vec()]);
    let times = table(
        output,
        &[
            ["MILLISECONDS", "P50", "P99", "MAX", "SAMPLES"].map(str::to_owned).to_vec(),
            times("start to first answer", report.recovery_ms),
            times("disk sync", report.fsync_ms),
        ],
    );
    let tone = if report.ok { Tone::Good } else { Tone::Bad };
    let mut lines = vec![counts, times, points(report)];
    lines.push(format!("{} of the messages were jobs that fell due", report.jobs));
    lines.push(format!(
        "{} tool calls took effect, {} of them more than once",
        report.tool_calls, report.tool_calls_doubled
    ));
    if report.parked > 0 {
        lines.push(format!(
            "{} answers were held back as dead letters, as configured, and replayed",
            report.parked
        ));
    }
    lines.extend(report.findings.iter().map(|finding| output.paint(Tone::Bad, finding)));
    lines.push(format!(
        "{}\n({} s, seed {}, counted in the platform's own record)",
        output.paint(tone, &report.verdict),
        report.seconds,
        report.seed
    ));
    lines.join("\n")
}

fn times(what: &str, times: Percentiles) -> Vec<String> {
    let shown = [times.p50, times.p99, times.max].map(|time| time.to_string());
    [&[what.to_owned()][..], &shown, &[times.samples.to_string()]].concat()
}

fn points(report: &Report) -> String {
    let points = &report.crash_points;
    if !points.compiled_in {
        return "kills fell at random moments: this build has no named crash points \
                (cargo build --features crash-points)"
            .into();
    }
    let known = points.hit.len() + points.not_hit.len();
    format!("kills fell at {} of {known} named points, and at random moments", points.hit.len())
}
