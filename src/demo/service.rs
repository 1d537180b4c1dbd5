//! The service as a child process: started, asked, killed, stopped.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::control::Client;

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(20);
/// How long an orderly stop may take.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Pause between two looks whether it is up.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of its log that are shown when it fails.
const LAST_WORDS_LINES: usize = 8;

/// How a service is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The `telson` program.
    pub program: PathBuf,
    /// The memory of the service.
    pub state_dir: PathBuf,
    /// Its config.
    pub config: PathBuf,
    /// Where its log is appended.
    pub log: PathBuf,
    /// Variables beside those of this process.
    pub env: Vec<(&'static str, String)>,
    /// Arguments behind `run`.
    pub args: Vec<&'static str>,
}

/// The service did not do what it has to; with its last words.
#[derive(Debug, thiserror::Error)]
#[error("{what}\nits last words:\n{last_words}")]
pub struct ServiceError {
    what: String,
    last_words: String,
}

/// A running service. Dropped, it is killed.
pub struct Service {
    process: Child,
    pid: u32,
    started: Instant,
    state_dir: PathBuf,
    log: PathBuf,
}

impl Service {
    /// Starts the process and does not wait until it answers.
    ///
    /// # Errors
    /// A process that can't be started, a log that can't be written.
    pub fn spawn(launch: &Launch) -> Result<Self, ServiceError> {
        let log = &launch.log;
        let broken = |what: String| ServiceError { what, last_words: String::new() };
        let errors = OpenOptions::new().create(true).append(true).open(log);
        let errors = errors.map_err(|error| broken(format!("{}: {error}", log.display())))?;
        let process = Command::new(&launch.program)
            .arg("--state-dir")
            .arg(&launch.state_dir)
            .arg("--config")
            .arg(&launch.config)
            .args(["run", "--port", "0"])
            .args(&launch.args)
            .envs(launch.env.iter().map(|(key, value)| (*key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(format!("cannot start the service: {error}")))?;
        Ok(Self {
            pid: process.id().unwrap_or_default(),
            process,
            started: Instant::now(),
            state_dir: launch.state_dir.clone(),
            log: log.clone(),
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Returns once it answers, with the connection on which it did.
    ///
    /// # Errors
    /// It ended, or took too long.
    pub async fn answers(&mut self) -> Result<Client, ServiceError> {
        let end = Instant::now() + START_MAX;
        loop {
            self.check_alive()?;
            if let Ok(mut client) = Client::connect(&self.state_dir).await
                && client.call("health", json!({})).await.is_ok()
            {
                return Ok(client);
            }
            self.give_up_after(end, "it does not answer")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns once the watcher has looked at the database: what is there before is history.
    ///
    /// # Errors
    /// It ended, or took too long.
    pub async fn watching(&mut self) -> Result<(), ServiceError> {
        let end = Instant::now() + START_MAX;
        loop {
            self.check_alive()?;
            if let Ok(mut client) = Client::connect(&self.state_dir).await
                && let Ok(tree) = client.call("telson.tree", json!({})).await
                && has_looked(&tree)
            {
                return Ok(());
            }
            self.give_up_after(end, "it does not watch the database")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Fails if the process has ended by itself.
    ///
    /// # Errors
    /// It has.
    pub fn check_alive(&mut self) -> Result<(), ServiceError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(&format!("the service ended: {status}"))),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// How it ended, if it does within this time.
    ///
    /// # Errors
    /// The system's, about a child that can't be waited for.
    pub async fn ended(&mut self, within: Duration) -> Result<Option<ExitStatus>, ServiceError> {
        match timeout(within, self.process.wait()).await {
            Ok(Ok(status)) => Ok(Some(status)),
            Ok(Err(error)) => Err(self.failed(&error.to_string())),
            Err(_) => Ok(None),
        }
    }

    /// SIGKILL: no signal handler, no farewell.
    ///
    /// # Errors
    /// The system's.
    pub async fn kill(mut self) -> Result<(), ServiceError> {
        self.process.kill().await.map_err(|error| self.failed(&error.to_string()))
    }

    /// SIGTERM, without waiting for what comes of it.
    ///
    /// # Errors
    /// The system's.
    pub fn terminate(&self) -> Result<(), ServiceError> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.map(|pid| kill_process(pid, Signal::TERM)) {
            Some(Err(error)) => Err(self.failed(&error.to_string())),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// SIGTERM, and an orderly end with exit code 0.
    ///
    /// # Errors
    /// Another end, or none in time.
    pub async fn stop(mut self) -> Result<(), ServiceError> {
        self.terminate()?;
        match self.ended(STOP_MAX).await? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.failed(&format!("the service stopped with {status}"))),
            None => Err(self.failed("the service did not stop")),
        }
    }

    fn give_up_after(&self, end: Instant, why: &str) -> Result<(), ServiceError> {
        if Instant::now() < end { Ok(()) } else { Err(self.failed(why)) }
    }

    /// This went wrong, and what its log said last.
    pub fn failed(&self, what: &str) -> ServiceError {
        ServiceError { what: what.to_owned(), last_words: last_words(&self.log) }
    }
}

fn last_words(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join("\n")
}

/// Whether a watcher has completed a poll.
fn has_looked(node: &Value) -> bool {
    (node["id"] == "watcher" && node["idle_ms"].is_u64())
        || node["children"].as_array().into_iter().flatten().any(has_looked)
}
