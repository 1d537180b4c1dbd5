//! A program that is run, watched and ended with everything it has started.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::family::{Family, MARK};
use super::output::Output;
use super::{END_MAX, ExecSettings, blocking, mark};

/// What a command's orphans may still write once it is over.
const LATE_OUTPUT_MAX: Duration = Duration::from_secs(1);

/// A program to be run without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, by path or by name, then its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// More environment besides that of the settings.
    pub environment: Vec<(String, String)>,
    /// How long it may take.
    pub limit: Duration,
    /// Bytes kept of what it writes: its beginning and its end.
    pub output_bytes_max: usize,
    /// Tells it from all other programs of this gateway.
    pub key: String,
}

/// A program that has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What it wrote, to both of its outputs.
    pub output: String,
    /// How it ended.
    pub how: How,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By itself.
    Ended(ExitStatus),
    /// It was over its time and is gone, with all it had started.
    Stopped(Duration),
    /// It was over its time, and its end could not be seen.
    Lost(Duration),
}

/// Runs a program to its end, or to the end of its time. `started` is called when it runs.
///
/// # Errors
/// It could not be started, or could not be watched; in a sentence.
pub async fn launch(
    settings: &ExecSettings,
    launch: Launch,
    started: impl FnOnce() + Send,
) -> Result<Ran, String> {
    let (program, arguments) = launch.argv.split_first().ok_or("no program is named")?;
    let mark = mark(&settings.place, &launch.key);
    let mut command = Command::new(program);
    command.args(arguments);
    bare(&mut command, &launch.folder, settings);
    command.envs(launch.environment).env(MARK, &mark);
    let ran = supervise(command, mark, launch.limit, launch.output_bytes_max, started).await;
    ran.map_err(|why| format!("{program}: {why} (in {})", launch.folder.display()))
}

/// No input, no environment but ours, and a group of its own, so that what it starts can be ended
/// with it.
pub(super) fn bare(command: &mut Command, folder: &Path, settings: &ExecSettings) {
    command
        .current_dir(folder)
        .env_clear()
        .envs(settings.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
}

/// Starts a command and waits for its end or that of its time; then nothing of it is left.
pub(super) async fn supervise(
    mut command: Command,
    mark: String,
    limit: Duration,
    output_max: usize,
    started: impl FnOnce() + Send,
) -> Result<Ran, String> {
    let mut child =
        command.spawn().map_err(|error| format!("the command did not start: {error}"))?;
    let family = Family::of(&child, mark);
    started();
    let mut output = Output::new(output_max);
    let ended = tokio::time::timeout(limit, Box::pin(watch(&mut child, &mut output))).await;
    // Looking through all processes takes a few milliseconds.
    let end = move || {
        family.end();
        Ok(())
    };
    blocking(end).await?;
    let how = match ended {
        Ok(Ok(status)) => How::Ended(status),
        Ok(Err(error)) => return Err(format!("the command was lost: {error}")),
        Err(_) => {
            // What it had written still counts.
            let rest = Box::pin(watch(&mut child, &mut output));
            match tokio::time::timeout(END_MAX / 2, rest).await {
                Ok(Ok(_)) => How::Stopped(limit),
                Ok(Err(_)) | Err(_) => How::Lost(limit),
            }
        }
    };
    Ok(Ran { output: output.text(), how })
}

/// Reads what it writes until it has ended; orphans that hold the pipes open are not waited for.
async fn watch(child: &mut Child, output: &mut Output) -> std::io::Result<ExitStatus> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let status = {
        let mut reading = std::pin::pin!(gather(&mut out, &mut err, output));
        let (status, is_read) = tokio::select! {
            status = child.wait() => (status, false),
            () = &mut reading => (child.wait().await, true),
        };
        if !is_read {
            drop(tokio::time::timeout(LATE_OUTPUT_MAX, reading).await);
        }
        status
    };
    (child.stdout, child.stderr) = (out, err);
    status
}

/// Reads both pipes to their ends.
async fn gather(
    out: &mut Option<impl AsyncRead + Unpin>,
    err: &mut Option<impl AsyncRead + Unpin>,
    output: &mut Output,
) {
    let (mut first, mut second) = ([0; 8192], [0; 8192]);
    while out.is_some() || err.is_some() {
        tokio::select! {
            read = next(out, &mut first) => output.write(&first[..read]),
            read = next(err, &mut second) => output.write(&second[..read]),
        }
    }
}

/// Reads from a pipe that is open; closes it at its end.
async fn next(pipe: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(open) = pipe else { return std::future::pending().await };
    let read = open.read(buffer).await.unwrap_or(0);
    if read == 0 {
        *pipe = None;
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pipes_that_are_at_their_end_are_not_waited_for() {
        let (mut out, mut err) = (Some(&b"one "[..]), Some(&b"two"[..]));
        let mut output = Output::new(100);
        let read = Box::pin(gather(&mut out, &mut err, &mut output));
        assert!(tokio::time::timeout(LATE_OUTPUT_MAX, read).await.is_ok());
        assert_eq!(output.text().len(), 7);
    }
}
