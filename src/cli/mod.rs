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
mod time;
mod tree;
mod usage;
mod why;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use exit::Failure;
use output::Output;

/// Runs the command line of this process and answers its exit code: 0 done, 1 failed, 2 not
/// understood, 78 a bad config or a held lock.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return misunderstood(&error),
    };
    let output = Output::new(args.json, args.no_color);
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(dispatch(args, &output)),
        Err(error) => Err(Failure::failed(format!("cannot start the runtime: {error}"))),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(&output),
    }
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
        Command::Why { query } => why::run(&place, &query.join(" "), output).await,
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
        Command::Man => completions::man(),
        Command::ImsgDouble { command, db } => demo::imsg_double(&command, db.as_deref()),
    }
}
