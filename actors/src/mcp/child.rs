//! A server that is a child process, with everything it starts itself.
//!
//! Servers are often started through wrappers (`npx`, shells) that do not pass signals on. So the
//! child leads a process group of its own, and the group is killed as a whole. Should this program
//! be killed itself, the end of its input tells the child to end.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::config::Transport;

/// How long a child may take to finish after the end of its input.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// Longest line of its log that is kept, in bytes.
const LOG_LINE_BYTES_MAX: usize = 64 * 1024;
/// Characters of its last words that are shown.
const LAST_WORDS_CHARS_MAX: usize = 300;

/// A running child. Dropped, it is killed with its whole group.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// The ends of its pipes.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) log: ChildStderr,
}

/// Starts the child of a stdio transport; `None` for other transports.
pub(super) fn start(transport: &Transport) -> Result<Option<(Process, Pipes)>, String> {
    let Transport::Stdio { program, args, env, cwd } = transport else { return Ok(None) };
    let mut command = Command::new(program);
    command.args(args).env_clear();
    command.envs(env.iter().map(|(name, value)| (name, value.reveal())));
    if let Some(cwd) = cwd {
        command.current_dir(cwd);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| {
        format!(
            "cannot start {program:?} ({error}); check its command and cwd, and the PATH in env"
        )
    })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let process = Process { child, group };
    match pipes {
        (Some(input), Some(output), Some(log)) => Ok(Some((process, Pipes { input, output, log }))),
        _ => Err("the child has no pipes".into()),
    }
}

impl Process {
    /// Gives the child, whose input has ended, a moment to finish; then kills what is left.
    pub(super) async fn finish(mut self) {
        if timeout(FINISH_MAX, self.child.wait()).await.is_err() {
            tracing::debug!("the server did not end with its input and is killed");
        }
        self.kill();
        drop(timeout(FINISH_MAX, self.child.wait()).await);
    }

    /// How it ended, if it has.
    pub(super) async fn ended(&mut self) -> Option<String> {
        let status = timeout(FINISH_MAX, self.child.wait()).await.ok()?.ok()?;
        Some(format!("it ended with {status}"))
    }

    /// The group outlives its leader as long as it has members, and its number with it.
    fn kill(&mut self) {
        if let Some(Err(error)) =
            self.group.take().map(|group| kill_process_group(group, Signal::KILL))
        {
            tracing::trace!(%error, "nothing was left of the server");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last line a child wrote to its log.
#[derive(Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<Option<String>>>);

impl LastWords {
    /// As the end of a sentence about its end.
    pub(super) fn told(&self) -> String {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        words.as_ref().map(|words| format!("; it last said: {words}")).unwrap_or_default()
    }

    fn set(&self, line: &str) {
        let line = line.trim();
        if !line.is_empty() {
            let line = line.chars().take(LAST_WORDS_CHARS_MAX).collect();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        }
    }
}

/// Reads the child's log to its end.
pub(super) async fn read_log(server: String, log: ChildStderr, last: LastWords) {
    let mut lines = FramedRead::new(log, LinesCodec::new_with_max_length(LOG_LINE_BYTES_MAX));
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => {
                tracing::debug!(%server, %line, "mcp server");
                last.set(&line);
            }
            // What follows an overlong line is read on; a broken pipe ends the stream by itself.
            Err(error) => tracing::debug!(%server, %error, "unreadable log line"),
        }
    }
}
