//! Completion scripts and the manual page, made from the same description as `--help`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Command, CommandFactory};

use super::args::Args;
use super::exit::Failure;

pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    // The generator offers hidden commands as well, so it does not get to see them.
    let all = Args::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut command = Command::new("telson")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(all.get_arguments().cloned())
        .subcommands(shown);
    clap_complete::generate(shell, &mut command, "telson", &mut script);
    print(&script)
}

pub(super) fn man() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command())
        .render(&mut page)
        .map_err(|error| Failure::failed(error.to_string()))?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<ExitCode, Failure> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(error.to_string()))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
