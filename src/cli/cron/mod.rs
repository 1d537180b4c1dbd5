//! `telson cron`: jobs that wake an agent at their time.

mod add;
mod moment;
mod next;
mod said;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Place;
use super::exit::Failure;
use super::output::Output;
use super::remote::Line;

/// What can be done with jobs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum CronCommand {
    /// List jobs: what they do, when they run, and how the last run ended.
    List {
        /// Also those that are switched off.
        #[arg(long)]
        all: bool,
    },
    /// Make a job.
    Add(Box<add::AddArgs>),
    /// Change a job; what is not named stays.
    Edit(Box<add::EditArgs>),
    /// Remove a job with its history; what runs of it is stopped.
    Rm {
        /// Its id.
        id: String,
    },
    /// Run a job now, beside its schedule.
    Run {
        /// Its id.
        id: String,
        /// Only if it is due.
        #[arg(long)]
        due: bool,
    },
    /// List the runs of a job, the newest first.
    Runs {
        /// Its id.
        id: String,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Make jobs of another gateway's cron/jobs.json. Those that are here already stay as they are.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Print when an expression comes, in RFC 3339 with --json. Needs no running service.
    Next(next::NextArgs),
}

impl CronCommand {
    /// Whether it does its work without a service.
    pub(super) fn asks_nobody(&self) -> bool {
        matches!(self, Self::Next(_))
    }
}

pub(super) async fn run(
    place: &Place,
    command: CronCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    if let CronCommand::Next(args) = &command {
        return next::run(args, output);
    }
    let mut client = Line::open(place).await?;
    let mut ask = async |method: &str, params: Value| client.call(method, params).await;
    match command {
        CronCommand::Next(_) => {}
        CronCommand::List { all } => {
            let jobs = everything(&mut client, all).await?;
            output.show(&jobs, || show::list(*output, &jobs));
        }
        CronCommand::Add(args) => {
            let job = ask("cron.add", args.job()?).await?;
            told(*output, args.said.remark());
            output.show(&job, || format!("job {}\n{}", text(&job, "id"), show::one(&job)));
        }
        CronCommand::Edit(args) => {
            let known = ask("cron.get", json!({"id": args.id})).await?;
            let params = json!({"id": args.id, "patch": args.patch(&known)?});
            let job = ask("cron.update", params).await?;
            told(*output, args.said.remark());
            output.show(&job, || format!("job {}\n{}", text(&job, "id"), show::one(&job)));
        }
        CronCommand::Rm { id } => {
            let answer = ask("cron.remove", json!({"id": id})).await?;
            if answer["removed"] != json!(true) {
                return Err(Failure::failed(format!("there is no job {id}")));
            }
            output.show(&answer, || format!("job {id} is removed"));
        }
        CronCommand::Run { id, due } => {
            let mode = if due { "due" } else { "force" };
            let answer = ask("cron.run", json!({"id": id, "mode": mode})).await?;
            output.show(&answer, || show::begun(&id, &answer));
        }
        CronCommand::Runs { id, limit } => {
            let answer = ask("cron.runs", json!({"id": id, "limit": limit})).await?;
            if answer["total"] == 0 {
                ask("cron.get", json!({"id": id})).await.map_err(|error| gone(&id, error))?;
            }
            output.show(&answer, || show::runs(*output, &answer));
        }
        CronCommand::Import { file } => {
            let answer = ask("telson.cron.import", read(&file)?).await?;
            output.show(&answer, || show::imported(&answer));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All pages of the list.
async fn everything(client: &mut Line, all: bool) -> Result<Value, Failure> {
    let (mut jobs, mut offset) = (Vec::new(), json!(0));
    loop {
        let params = json!({"includeDisabled": all, "limit": 200, "offset": offset});
        let mut page = client.call("cron.list", params).await?;
        if let Some(found) = page["jobs"].as_array_mut() {
            jobs.append(found);
        }
        offset = page["nextOffset"].clone();
        if offset.is_null() {
            return Ok(json!({"jobs": jobs, "total": page["total"]}));
        }
    }
}

/// Says something beside the answer.
fn told(output: Output, remark: Option<String>) {
    if let Some(remark) = remark {
        output.aside(&remark);
    }
}

/// Why there is no history of a job that is not there.
fn gone(id: &str, error: Failure) -> Failure {
    if !error.text().starts_with("there is no job ") {
        return error;
    }
    Failure::failed(format!(
        "there is no job {id}, or no such job any more: what ran once in a session that is not its \
         own, such as an event for the main session, leaves no history, and what is removed takes \
         its own with it; `telson cron list --all` shows which there are"
    ))
}

fn read(file: &std::path::Path) -> Result<Value, Failure> {
    let failed = |why: String| Failure::failed(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let found: Value = json5::from_str(&text).map_err(|error| failed(error.to_string()))?;
    // Older files are the list itself.
    Ok(if found.is_array() { json!({"jobs": found}) } else { found })
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or("?")
}
