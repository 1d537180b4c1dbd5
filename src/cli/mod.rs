//! The command line: what a person types, and what they read.

mod abort;
mod args;
mod completions;
mod config;
mod crash;
mod cron;
mod dead_letters;
mod demo;
mod exit;
mod heartbeat;
mod logging;
mod models;
mod output;
mod pairing;
mod patience;
mod programs;
mod remote;
mod run;
mod selftest;
mod status;
mod table;
mod terminal;
mod time;
mod tree;
mod usage;
mod why;
mod width;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Args, Command};
use exit::Failure;
use output::Output;

/// Runs the command line of this process and answers its exit code: 0 done, 1 failed, 2 not
/// understood, 78 a bad config or a held lock.
pub fn main() -> ExitCode {
    let args = match understood() {
        Ok(args) => args,
        Err(error) => return misunderstood(&error),
    };
    let output = Output::new(args.json, args.no_color);
    let is_service = matches!(args.command, Command::Run(_));
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(dispatch(args, &output)),
        Err(error) => Err(Failure::failed(format!("cannot start the runtime: {error}"))),
    };
    let code = match result {
        Ok(code) => code,
        Err(failure) => failure.report(&output),
    };
    // A service does its work whoever reads what it says; of an answer that is all there is.
    match Output::refusal().filter(|_| !is_service && code == ExitCode::SUCCESS) {
        None => code,
        Some(why) => {
            output.aside(&format!("telson: cannot write to standard output: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// What was typed.
fn understood() -> Result<Args, clap::Error> {
    let words: Vec<_> = std::env::args_os().collect();
    let is_plain = words.iter().any(|word| word == "--no-color");
    let color = if is_plain { clap::ColorChoice::Never } else { clap::ColorChoice::Auto };
    let mut command = Args::command().color(color);
    let matches = command.try_get_matches_from_mut(words)?;
    let args = Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    // The environment says where other commands ask; who types it means this one.
    let named = ["url", "token", "tls_fingerprint"].into_iter().find(|id| was_typed(&matches, id));
    let Some(flag) = named.filter(|_| args.command.asks_nobody()) else { return Ok(args) };
    let text = format!(
        "--{} is for commands that ask a running service, and this one asks nobody",
        flag.replace('_', "-")
    );
    Err(command.error(clap::error::ErrorKind::ArgumentConflict, text))
}

/// Whether an option that all commands have stands on the command line.
fn was_typed(matches: &clap::ArgMatches, id: &str) -> bool {
    let is_here = matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
    is_here || matches.subcommand().is_some_and(|(_, inner)| was_typed(inner, id))
}

/// Help and version are answers; anything else was not understood, and a program that asked for
/// JSON gets that as well.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.trim_end().trim_start_matches("error: ");
        return Failure::rejected(text).report(&Output::new(true, true));
    }
    // A reader that has gone is no error.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

async fn dispatch(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let place = args.place;
    match args.command {
        Command::Run(run) => Box::pin(run::run(&place, &run, output)).await,
        Command::Demo(demo) => demo::run(&demo, output).await,
        Command::Selftest(selftest) => selftest::run(&place, &selftest, output).await,
        Command::Status => status::run(&place, output).await,
        Command::Tree => tree::run(&place, output).await,
        Command::Usage { days } => usage::run(&place, days, output).await,
        Command::Why { query, limit } => why::run(&place, &query.join(" "), limit, output).await,
        Command::Abort { session } => abort::run(&place, &session, output).await,
        Command::Pairing { command } => pairing::run(&place, command, output).await,
        Command::Models { command } => models::run(&place, command, output).await,
        Command::Cron { command } => cron::run(&place, command, output).await,
        Command::DeadLetters { command } => dead_letters::run(&place, command, output).await,
        Command::Heartbeat { command } => heartbeat::run(&place, command, output).await,
        Command::System { command } => heartbeat::system(&place, command, output).await,
        Command::Health => remote::health(&place, output).await,
        Command::Sessions { limit } => remote::sessions(&place, limit, output).await,
        Command::Chat(chat) => remote::chat(&place, chat, output).await,
        Command::Channels { command } => remote::channels(&place, command, output).await,
        Command::Devices { command } => remote::devices(&place, command, output).await,
        Command::Dashboard { open } => remote::dashboard(&place, open, output).await,
        Command::Gateway { command } => remote::gateway(&place, command, output).await,
        Command::Config { command } => config::run(&place, &command, output),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { command, all } => completions::man(&command, all.as_deref(), output),
        Command::ImsgDouble { command, db } => demo::imsg_double(&command, db.as_deref()),
    }
}
