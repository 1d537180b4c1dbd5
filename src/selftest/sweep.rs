//! The whole sweep: several worlds side by side, each with its script.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use telson_actors::crash_point::POINTS;
use telson_supervision::Dice;
use tokio::time::Instant;

use super::life::Lives;
use super::model::Model;
use super::plan::{Script, plan};
use super::report::{Report, Sweep, WorldReport};
use super::world::{CHANNELS, SweepError};
use crate::demo::imsg_double::ledger;

/// Messages to each kill if nobody says otherwise.
const MESSAGES_PER_KILL: u32 = 8;

/// What is asked for.
pub struct Request<'a> {
    /// The `telson` program.
    pub program: &'a Path,
    /// An empty folder on the disk in question.
    pub dir: &'a Path,
    /// How often a service is killed.
    pub kills: u32,
    /// How many messages are written, at least.
    pub messages: Option<u32>,
    /// Decides where and when the kills fall.
    pub seed: u64,
    /// Called after each kill.
    pub on_kill: &'a dyn Fn(),
}

/// Performs it. Dropped, it leaves no service running.
///
/// # Errors
/// It could not be performed. What it found is no error: it is in the report.
pub async fn sweep(request: &Request<'_>) -> Result<Report, SweepError> {
    let begun = Instant::now();
    let dice = Dice::seeded(request.seed);
    let points: Vec<&'static str> = POINTS.iter().map(|point| point.name).collect();
    let writes = request.messages.map_or(MESSAGES_PER_KILL, |all| all.div_ceil(request.kills));
    let scripts = plan(request.kills, writes, &points, &mut || dice.next());
    let worlds = scripts.iter().enumerate().map(|(number, script)| world(request, number, script));
    let worlds = try_join_all(worlds).await?;
    let sweep = Sweep { kills: request.kills, seed: request.seed, took: begun.elapsed() };
    Ok(Report::new(&sweep, &points, worlds))
}

async fn world(
    request: &Request<'_>,
    number: usize,
    script: &Script,
) -> Result<WorldReport, SweepError> {
    // Two neighbours are the same channel with both settings.
    let channel = CHANNELS[number / 2 % CHANNELS.len()];
    let dir = world_dir(request.dir, number);
    std::fs::create_dir(&dir)
        .map_err(|error| SweepError::File(format!("{}: {error}", dir.display())))?;
    let broken = |error: std::io::Error| SweepError::File(format!("the model: {error}"));
    let model = Model::bind().await.map_err(broken)?;
    let world = (channel.build)(&dir, request.program, script.unsettled, &model.url())?;
    let mut lives = Lives::new(world);
    tokio::select! {
        over = live_all(&mut lives, script, request.on_kill) => over?,
        gone = model.serve() => match gone.map_err(broken)? {},
    }
    let (audit, deeds) = (lives.world.audit()?, lives.world.deeds()?);
    let Lives { record, .. } = lives;
    Ok(WorldReport {
        channel: channel.name,
        unsettled: script.unsettled,
        written: record.written,
        jobs: record.jobs,
        hits: record.hits,
        missed: record.missed,
        recoveries: record.recoveries,
        parked: record.parked.len(),
        dead_messages: record.dead_messages.len(),
        dead_replies: record.dead_replies.len(),
        audit,
        deeds,
    })
}

async fn live_all(
    lives: &mut Lives,
    script: &Script,
    on_kill: &dyn Fn(),
) -> Result<(), SweepError> {
    lives.begin().await?;
    for life in &script.lives {
        lives.live(life).await?;
        on_kill();
    }
    lives.conclude().await
}

fn world_dir(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("w{number}"))
}

/// Whether every process of a sweep in this folder that was dropped has ended.
pub fn has_ended(dir: &Path) -> bool {
    let free = |path: PathBuf| ledger::is_complete(&path).unwrap_or(true);
    let Ok(worlds) = std::fs::read_dir(dir) else { return true };
    worlds.flatten().all(|world| {
        free(world.path().join("ledger.jsonl")) && free(world.path().join("state/lock"))
    })
}
