//! A hook that is a program: the event as one JSON object on its standard input, its decision as
//! one JSON object on its standard output, or nothing at all.
//!
//! It runs in a process group of its own, which is killed when its time is over or its asker is
//! gone. It has succeeded if it ends with 0.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{Decision, Hook, HookEvent, Moment};

/// Longest decision, in bytes.
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;
/// How much of what it says on its standard error is kept for the log, in bytes.
const COMPLAINT_BYTES_MAX: u64 = 2048;

/// See the module.
#[derive(Debug, Clone)]
pub struct CommandHook {
    /// Its name.
    pub name: String,
    /// The moments it wants.
    pub moments: Vec<Moment>,
    /// See [`Hook::priority`].
    pub priority: i32,
    /// How long it may take.
    pub deadline: Duration,
    /// The program: a path, or a name to be found in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables it gets besides those of this process.
    pub environment: Vec<(String, String)>,
}

impl Hook for CommandHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn moments(&self) -> &[Moment] {
        &self.moments
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn call<'a>(&'a self, event: &'a HookEvent) -> BoxFuture<'a, Result<Decision, String>> {
        Box::pin(self.run(event))
    }
}

impl CommandHook {
    async fn run(&self, event: &HookEvent) -> Result<Decision, String> {
        let mut input = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        input.push(b'\n');
        let mut process = Process(self.spawn()?);
        let (stdin, stdout, stderr) =
            (process.0.stdin.take(), process.0.stdout.take(), process.0.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err("the program has no pipes".into());
        };
        let write = async move {
            // A program need not read what it is told.
            drop(stdin.write_all(&input).await);
            Ok(())
        };
        let read = read_to(stdout, OUTPUT_BYTES_MAX);
        let complaint = async { Ok(read_some(stderr).await) };
        let ((), output, complaint) = tokio::try_join!(write, read, complaint)?;
        let status = process.0.wait().await.map_err(|error| error.to_string())?;
        if !status.success() {
            let complaint = complaint.trim().escape_debug().to_string();
            return Err(format!("{:?} ended with {status}: {complaint}", self.program));
        }
        Decision::read(&output)
    }

    fn spawn(&self) -> Result<Child, String> {
        Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that helpers it starts can be killed with it.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {:?}: {error}", self.program))
    }
}

/// Everything, as text.
async fn read_to(pipe: impl AsyncRead + Unpin, max: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    pipe.take(max + 1).read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        return Err(format!("wrote more than {max} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "wrote something that is not text".into())
}

/// The beginning; the rest is read and forgotten, so that a talkative program does not get stuck.
async fn read_some(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    // What can't be read is only missing from a log line.
    drop((&mut pipe).take(COMPLAINT_BYTES_MAX).read_to_end(&mut kept).await);
    drop(tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await);
    String::from_utf8_lossy(&kept).into_owned()
}

/// A child that does not outlive the wish for its answer.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Without an id it has been waited for. Its group is then left alone: its number may be
        // somebody else's by now.
        let pid = self.0.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = pid.and_then(rustix::process::Pid::from_raw)
            && let Err(error) =
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
        {
            tracing::debug!(%error, "the hook had ended by itself");
        }
    }
}
