//! `exec`: a command in the agent's workspace, with an end.
//!
//! A command gets a bare environment, no input, a limit on time and on output, and takes everything
//! it started along when it ends: its process group, and on Linux also what left the group, found by
//! a mark in its environment. What a killed gateway leaves running is ended by the next one, by the
//! same mark; elsewhere than on Linux it runs to its own end. A workspace does not confine a command: whoever may run commands may
//! do what the user of the gateway may do. That is why nobody may unless the config says so.

mod family;
mod launch;
mod output;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use self::family::MARK;
pub use self::launch::{How, Launch, Ran, launch};
use self::launch::{bare, supervise};
use super::fs::Workspaces;
use super::{blocking, count, required, text};
use crate::provider::ToolSpec;
use crate::tool::{Invocation, Tool, ToolTraits};

/// Time to end a command that is over its limit and to gather what it said.
const END_MAX: Duration = Duration::from_secs(10);
/// Longest command, in characters.
const COMMAND_CHARS_MAX: usize = 100_000;

/// How commands are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSettings {
    /// Longest time of a command; one may ask for less.
    pub timeout: Duration,
    /// The whole environment besides `HOME`, which is the workspace.
    pub environment: Vec<(String, String)>,
    /// Characters kept of what a command writes.
    pub output_chars_max: usize,
    /// Tells the commands of one gateway from those of another, over restarts. Empty where nothing
    /// outlives the program.
    pub place: String,
}

impl Default for ExecSettings {
    /// Half an hour, the paths of every system, 200,000 characters.
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(30),
            environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            output_chars_max: 200_000,
            place: String::new(),
        }
    }
}

/// See the module.
pub(super) struct Exec {
    workspaces: Arc<Workspaces>,
    settings: ExecSettings,
}

impl Exec {
    pub(super) fn new(workspaces: Arc<Workspaces>, settings: ExecSettings) -> Self {
        Self { workspaces, settings }
    }

    async fn run(&self, call: &Invocation) -> Result<String, String> {
        let workspace = self.workspaces.of(&call.agent)?;
        let workdir = text(call, "workdir").unwrap_or(".").to_owned();
        let home = workspace.clone();
        let (home, folder) =
            blocking(move || Ok((home.root()?, workspace.folder(&workdir)?))).await?;
        let limit = Duration::from_secs(count(call, "timeout", usize::MAX) as u64);
        let limit = limit.clamp(Duration::from_secs(1), self.settings.timeout);
        let mark = mark(&self.settings.place, &call.idempotency_key);
        let mut command = self.command(required(call, "command")?, home, folder, &mark);
        for (name, value) in own_variables(call)? {
            command.env(name, value);
        }
        command.env(MARK, &mark);
        let ran = supervise(command, mark, limit, self.settings.output_chars_max, || ()).await?;
        let told = |how: &str| told(&ran.output, how);
        match ran.how {
            How::Ended(status) => Ok(told(&how(status))),
            How::Stopped(limit) | How::Lost(limit) => {
                Err(told(&format!("stopped after {} s with all it had started", limit.as_secs())))
            }
        }
    }

    fn command(&self, line: &str, home: PathBuf, folder: PathBuf, mark: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        bare(&mut command, &folder, &self.settings);
        command.env("HOME", home).env(MARK, mark);
        command
    }
}

impl Tool for Exec {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "exec".into(),
            description: "Runs a shell command in the workspace and answers what it wrote and how \
                          it ended. There is no input and no background: what the command leaves \
                          running is ended with it."
                .into(),
            parameters: json!({
                "type": "object",
                "required": ["command"],
                "additionalProperties": false,
                "properties": {
                    "command": {
                        "type": "string", "minLength": 1, "maxLength": COMMAND_CHARS_MAX,
                        "description": "For /bin/sh.",
                    },
                    "workdir": {"type": "string", "description": "A folder of the workspace."},
                    "timeout": {
                        "type": "integer", "minimum": 1,
                        "description": "Seconds after which the command is stopped.",
                    },
                    "env": {"type": "object", "description": "More environment variables."},
                },
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: false, deadline: self.settings.timeout + END_MAX }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.run(call))
    }
}

/// What the model adds to the environment.
fn own_variables(call: &Invocation) -> Result<Vec<(String, String)>, String> {
    let Some(Value::Object(variables)) = call.arguments.get("env") else { return Ok(Vec::new()) };
    let mut own = Vec::new();
    for (name, value) in variables {
        let upper = name.to_ascii_uppercase();
        let clean = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // These decide which program runs, not how.
        let decisive = ["PATH", "BASH_ENV", "ENV", "IFS", MARK].contains(&upper.as_str())
            || upper.starts_with("LD_")
            || upper.starts_with("DYLD_");
        let Some(value) = value.as_str().filter(|value| !value.contains('\0')) else {
            return Err(format!("arguments.env.{name} must be a text"));
        };
        if !clean || decisive {
            return Err(format!("arguments.env.{name} can't be set"));
        }
        own.push((name.clone(), value.to_owned()));
    }
    Ok(own)
}

/// What tells the processes of this call from all others.
fn mark(place: &str, idempotency_key: &str) -> String {
    let digest = Sha256::digest(idempotency_key.as_bytes());
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("{place}-{}-{hex}", std::process::id())
}

/// The place of a gateway that keeps its memory in this directory.
pub fn place(dir: &Path) -> String {
    let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Ends what the commands of an earlier life have left running: that life was killed and could not.
/// Call it before this life runs any. Only Linux shows whose a process is; elsewhere nothing is
/// ended. Gives how many there were.
pub fn end_orphans(place: &str) -> usize {
    if place.is_empty() { 0 } else { family::end_marked(&format!("{place}-")) }
}

/// How a program ended, in words.
pub fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn told(output: &str, how: &str) -> String {
    let text = output.trim_end_matches('\n');
    if text.is_empty() { format!("[no output; {how}]") } else { format!("{text}\n[{how}]") }
}

#[cfg(test)]
mod tests;
