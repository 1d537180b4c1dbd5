//! Completion scripts and the manual pages, made from the same description as `--help`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use serde_json::json;

use super::args::Args;
use super::exit::Failure;
use super::output::Output;

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

/// The page of a command, or all pages into a folder.
pub(super) fn man(
    words: &[String],
    folder: Option<&Path>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut command = Args::command().disable_help_subcommand(true);
    // Gives every command its whole name, and the options that all have.
    command.build();
    if let Some(folder) = folder {
        return pages(&command, folder, output);
    }
    let mut asked = &command;
    for word in words {
        let known = asked.find_subcommand(word).filter(|command| !command.is_hide_set());
        asked = known.ok_or_else(|| {
            let parent = asked.get_display_name().unwrap_or("telson").replace('-', " ");
            Failure::rejected(format!("`{parent}` has no command {word:?}; see `{parent} --help`"))
        })?;
    }
    let mut text = Vec::new();
    page(asked).render(&mut text).map_err(|error| Failure::failed(error.to_string()))?;
    print(&text)
}

fn pages(command: &Command, folder: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut all = vec![command];
    while let Some(command) = all.pop() {
        page(command).generate_to(folder).map_err(failed)?;
        all.extend(command.get_subcommands().filter(|command| !command.is_hide_set()));
    }
    let document = json!({"ok": true, "path": folder});
    output.show(&document, || {
        let place = folder.display();
        format!("the manual is in {place}: `man -l {place}/telson.1`")
    });
    Ok(ExitCode::SUCCESS)
}

/// The page of a command, of this program and not of its last word.
fn page(command: &Command) -> clap_mangen::Man {
    let source = concat!("telson ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone()).source(source)
}

fn print(bytes: &[u8]) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(error.to_string()))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
