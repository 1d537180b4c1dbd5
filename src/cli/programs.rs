//! Programs that a config names and this machine does not have.
//!
//! Said when a config is checked: the service itself starts them later, or never.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Config, Lookup, Secret};

/// A line for each program that can't be found or run.
pub(super) fn missing(config: &Config, env: &Lookup<'_>) -> Vec<String> {
    let home = env("HOME").filter(|home| !home.is_empty());
    let path = env("PATH").unwrap_or_default();
    let mut named = Vec::new();
    for (id, account) in config.imessage_accounts() {
        if account.enabled {
            named.push((
                format!("channels.imessage (account {id}): cliPath"),
                account.cli_path,
                None,
            ));
        }
    }
    for (name, server) in &config.mcp.servers {
        if let Some(command) = server.command.clone().filter(|_| server.enabled) {
            let own = server.env.get("PATH").and_then(Secret::expose);
            let place = Place { path: own.map(str::to_owned), cwd: server.cwd.clone() };
            named.push((format!("mcp.servers.{name}.command"), command, Some(place)));
        }
    }
    for (name, hook) in &config.hooks.commands {
        if hook.enabled {
            let place = Place { path: hook.env.get("PATH").cloned(), cwd: None };
            let command = hook.command.clone();
            named.push((format!("hooks.commands.{name}.command"), command, Some(place)));
        }
    }
    let lines = named.into_iter().filter_map(|(setting, program, place)| {
        let place = place.unwrap_or_default();
        let path = place.path.as_deref().unwrap_or(&path);
        let cwd = place.cwd.map(|cwd| expanded(&cwd, home.as_deref()));
        let why = wrong(&expanded(&program, home.as_deref()), path, cwd.as_deref())?;
        Some(format!("{setting}: {program:?} {why}"))
    });
    lines.collect()
}

/// Where a program is looked for, where its setting says so.
#[derive(Default)]
struct Place {
    path: Option<String>,
    cwd: Option<String>,
}

fn expanded(path: &str, home: Option<&str>) -> PathBuf {
    crate::assembly::expand(path, home)
}

/// Why a program can't be started; nothing if it can, as far as can be told without starting it.
fn wrong(program: &Path, path: &str, cwd: Option<&Path>) -> Option<&'static str> {
    if program.components().count() > 1 || program.is_absolute() {
        let program = cwd.map_or_else(|| program.to_owned(), |cwd| cwd.join(program));
        return match std::fs::metadata(&program) {
            Err(_) => Some("is not there"),
            Ok(_) if is_program(&program) => None,
            Ok(_) => Some("is not a program this user may run"),
        };
    }
    let mut folders = std::env::split_paths(path);
    (!folders.any(|folder| is_program(&folder.join(program))))
        .then_some("is in no folder of PATH; write its whole path")
}

fn is_program(path: &Path) -> bool {
    let known = std::fs::metadata(path);
    known.is_ok_and(|known| known.is_file() && known.permissions().mode() & 0o111 != 0)
}
