//! A job that runs a command: once, and never again where nobody knows how far it got.
//!
//! That it begins is durable before it is started, and how it ended before anybody is told. A life
//! that finds the first without the second knows only that it was interrupted.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::job::{CommandLine, Job, Run};
use super::outcome::Outcome;
use super::record::{command_key, job_key, run_key};
use crate::clock::{Clock, Timestamp};
use crate::crash_point::crash_point;
use crate::store::{Batch, Expect, Record, Store, StoreError};
use crate::tool::core::exec::{self, ExecSettings, How, Launch};

/// How long a command may take that says nothing else.
pub(super) const COMMAND_MAX: Duration = Duration::from_mins(10);
/// Bytes kept of what a command writes: its beginning and its end.
const OUTPUT_BYTES_MAX: usize = 8000;

const INTERRUPTED: &str = "it was interrupted, and nobody knows how far it got; it is not run again \
                           for this instant";

const DAMAGED: &str = "it was begun, and what stood about it is damaged: nobody knows how far it \
                       got; it is not run again for this instant";
const OVER: &str = "its run was over, or its job was removed, before it began";

/// A command that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommandRecord {
    /// When.
    pub began_at: Timestamp,
    /// How it ended; nothing while it runs, or if nobody knows.
    pub end: Option<CommandEnd>,
}

impl Record for CommandRecord {
    const VERSION: u8 = 1;
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommandEnd {
    /// What it wrote.
    output: String,
    /// What was wrong.
    error: Option<String>,
}

impl From<CommandEnd> for Outcome {
    fn from(end: CommandEnd) -> Self {
        let outcome = match end.error {
            None => Outcome::ok(None),
            Some(error) => Outcome::failed(error, false),
        };
        Outcome { output: end.output, ..outcome }
    }
}

/// What commands need.
pub(super) struct CommandDeps<'a> {
    pub store: &'a Store,
    pub clock: &'a Clock,
    pub settings: &'a ExecSettings,
}

/// A run that a command belongs to.
pub(super) struct Claimed<'a> {
    /// As it was read.
    pub run: &'a Run,
    /// As it is stored: the command begins only as long as that is so.
    pub stored: Vec<u8>,
}

/// Runs the command of a claimed run, or says how that went.
pub(super) async fn perform(
    deps: CommandDeps<'_>,
    job: &Job,
    claimed: &Claimed<'_>,
    line: &CommandLine,
) -> Result<Outcome, StoreError> {
    let CommandDeps { store, clock, settings } = deps;
    let Claimed { run, stored } = claimed;
    let key = command_key(&job.id, run.run);
    if let Some(found) = store.get::<CommandRecord>(&key)? {
        return Ok(found.end.map_or_else(|| Outcome::unknown(INTERRUPTED), Outcome::from));
    }
    // A damaged record was set aside, and would be absent.
    if store.contains(&key)? {
        return Ok(Outcome::unknown(DAMAGED));
    }
    let mut record = CommandRecord { began_at: clock.now(), end: None };
    let mut batch = Batch::new();
    // Neither a run that has ended nor a job that is gone begins anything.
    batch
        .expect(Expect::Absent(key.clone()))
        .expect(Expect::Holds(run_key(&job.id, run.run), stored.clone()))
        .expect(Expect::Present(job_key(&job.id)))
        .put(key.clone(), &record);
    crash_point("command.before_begin");
    match store.commit(batch).await {
        Ok(()) => {}
        // Somebody else has begun it.
        Err(StoreError::Conflict) if store.contains(&key)? => {
            return Ok(Outcome::unknown(INTERRUPTED));
        }
        Err(StoreError::Conflict) => return Ok(Outcome::failed(OVER, false)),
        Err(error) => return Err(error),
    }
    crash_point("command.after_begin");
    let started = || crash_point("command.launched");
    let end = ended(exec::launch(settings, launch(job, run, line, settings), started).await);
    record.end = Some(end.clone());
    let mut batch = Batch::new();
    // A job that was removed meanwhile has no use for it.
    batch.expect(Expect::Present(key.clone())).put(key, &record);
    crash_point("command.before_end");
    let written = store.commit(batch).await;
    crash_point("command.after_end");
    match written {
        Ok(()) | Err(StoreError::Conflict) => Ok(end.into()),
        Err(error) => Err(error),
    }
}

fn launch(job: &Job, run: &Run, line: &CommandLine, settings: &ExecSettings) -> Launch {
    let home = settings.environment.iter().find(|(name, _)| name == "HOME");
    let home = home.map_or("/", |(_, home)| home.as_str());
    Launch {
        argv: line.argv.clone(),
        folder: PathBuf::from(line.cwd.as_deref().unwrap_or(home)),
        environment: line.env.clone().into_iter().collect(),
        limit: limit(line),
        output_bytes_max: OUTPUT_BYTES_MAX,
        key: run.run.name(&job.id),
    }
}

/// How long it may take.
pub(super) fn limit(line: &CommandLine) -> Duration {
    let said = line.timeout_seconds.filter(|seconds| *seconds > 0);
    said.map_or(COMMAND_MAX, Duration::from_secs)
}

fn ended(ran: Result<exec::Ran, String>) -> CommandEnd {
    let ran = match ran {
        Ok(ran) => ran,
        Err(why) => return CommandEnd { output: String::new(), error: Some(why) },
    };
    let error = match ran.how {
        How::Ended(status) if status.success() => None,
        How::Ended(status) => Some(exec::how(status)),
        How::Stopped(limit) => {
            Some(format!("it took longer than {} s and was stopped", limit.as_secs()))
        }
        How::Lost(limit) => {
            let seconds = limit.as_secs();
            Some(format!("it took longer than {seconds} s, and nobody knows if it goes on"))
        }
    };
    CommandEnd { output: ran.output.trim_end().to_owned(), error }
}

#[cfg(test)]
mod tests;
