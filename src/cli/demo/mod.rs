//! `telson demo`: the whole service on made-up data, killed while people write.
//!
//! Nothing is faked but the Mac: the service is this very program started as a child, the messages
//! are rows another process writes, the kill is SIGKILL, and the verdict is read from the Messages
//! database, not from the service.

mod journeys;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::args::DemoArgs;
use super::exit::Failure;
use super::output::{Output, Tone, table};
use crate::demo::audit::Audit;
use crate::demo::imsg_double::{self, Options};
use crate::demo::service::{Launch, Service};
use crate::demo::stage::Stage;
use journeys::Journeys;

/// Pause between two messages of a small demo; large ones are written faster.
const PAUSE_MAX: Duration = Duration::from_millis(120);
/// How long all messages together take to write, for large demos.
const WRITING_MAX: Duration = Duration::from_secs(8);
/// How long the last answers may take: settling a doubtful send takes three seconds by itself.
const ANSWERS_MAX: Duration = Duration::from_mins(1);
/// Pause between two looks at the outgoing rows.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The verdict. `lost` and `doubled` come last, where they are looked for.
#[derive(Debug, Serialize)]
struct Verdict {
    ok: bool,
    sent: usize,
    answered: usize,
    kills: u32,
    seconds: f64,
    lost: usize,
    doubled: usize,
}

pub(super) async fn run(args: &DemoArgs, output: &Output) -> Result<ExitCode, Failure> {
    let dir = tempfile::Builder::new()
        .prefix("telson-demo-")
        .disable_cleanup(args.keep)
        .tempdir()
        .map_err(|error| Failure::failed(format!("cannot make a temporary folder: {error}")))?;
    let verdict = tokio::select! {
        verdict = perform(args, dir.path(), output) => verdict?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::failed("interrupted")),
    };
    if args.keep {
        output.say(&format!("kept in {}", dir.path().display()));
    }
    let document = serde_json::to_string(&verdict).map_err(|e| Failure::failed(e.to_string()))?;
    if output.is_json() {
        output.line(&document);
    } else {
        output.line(&text(*output, &verdict));
    }
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn perform(args: &DemoArgs, dir: &Path, output: &Output) -> Result<Verdict, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut stage = Stage::build(dir, &program).map_err(|error| failed(&error))?;
    let begun = Instant::now();
    output.say("starting the service on a made-up Messages database");
    let journeys = Journeys::new(*output);
    let launch = stage.launch(&program);
    let mut service = start(&launch, &journeys).await?;
    service.watching().await?;
    let pause = PAUSE_MAX.min(WRITING_MAX / args.messages);
    for number in 1..=args.messages {
        stage.write(number).map_err(|error| failed(&error))?;
        tokio::time::sleep(pause).await;
        if is_kill(number, args) {
            output.say(&output.paint(Tone::Bad, &format!("-- kill -9 {} --", service.pid())));
            service.kill().await?;
            service = start(&launch, &journeys).await?;
            let line = format!("-- started again as {}, going on --", service.pid());
            output.say(&output.paint(Tone::Good, &line));
        }
    }
    let audit = wait_for_answers(&stage, &mut service).await?;
    service.stop().await?;
    Ok(verdict(&audit, args.kills, begun.elapsed()))
}

/// Starts it and returns once it answers.
async fn start(launch: &Launch, journeys: &Journeys) -> Result<Service, Failure> {
    let mut service = Service::spawn(launch)?;
    journeys.follow(service.answers().await?);
    Ok(service)
}

/// Kills are spread evenly over the messages.
fn is_kill(number: u32, args: &DemoArgs) -> bool {
    let share =
        |number: u32| u64::from(number) * u64::from(args.kills + 1) / u64::from(args.messages);
    number < args.messages && share(number) > share(number - 1)
}

async fn wait_for_answers(stage: &Stage, service: &mut Service) -> Result<Audit, Failure> {
    let end = Instant::now() + ANSWERS_MAX;
    loop {
        let audit = stage.audit().map_err(|error| Failure::failed(error.to_string()))?;
        if audit.lost.is_empty() || Instant::now() >= end {
            return Ok(audit);
        }
        service.check_alive()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn verdict(audit: &Audit, kills: u32, took: Duration) -> Verdict {
    Verdict {
        ok: audit.exactly_once(),
        sent: audit.sent,
        answered: audit.answered,
        kills,
        seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
        lost: audit.lost.len(),
        doubled: audit.doubled.len(),
    }
}

fn text(output: Output, verdict: &Verdict) -> String {
    let heading = ["SENT", "ANSWERED", "KILLED", "LOST", "DOUBLED"].map(str::to_owned).to_vec();
    let numbers = [verdict.sent, verdict.answered].map(|number| number.to_string());
    let rest = [verdict.lost, verdict.doubled].map(|number| number.to_string());
    let row = [&numbers[..], &[format!("{}x", verdict.kills)], &rest[..]].concat();
    let (tone, words) = if verdict.ok {
        (Tone::Good, "every message was answered exactly once")
    } else {
        (Tone::Bad, "NOT every message was answered exactly once")
    };
    format!(
        "\n{}\n{} ({} s, counted in the Messages database)",
        table(output, &[heading, row]),
        output.paint(tone, words),
        verdict.seconds
    )
}

/// Plays `imsg rpc` on standard input and output.
pub(super) fn imsg_double(command: &str, db: Option<&Path>) -> Result<ExitCode, Failure> {
    if command != "rpc" {
        return Err(Failure::rejected(format!("imsg-double knows rpc, not {command:?}")));
    }
    let options = Options::from_pairs(std::env::vars())
        .map_err(|error| Failure::rejected(error.to_string()))?;
    let Some(db) = db.map(Path::to_path_buf).or_else(|| options.db.clone()) else {
        return Err(Failure::rejected("pass --db or set IMSG_DB"));
    };
    imsg_double::serve(&db, options, std::io::stdin().lock(), std::io::stdout())
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
