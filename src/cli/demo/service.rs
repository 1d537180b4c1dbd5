//! The service as a child process of the demo.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::journeys::Journeys;
use crate::cli::exit::Failure;
use crate::control::Client;
use crate::demo::stage::Stage;

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(20);
/// How long an orderly stop may take.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Pause between two looks whether it is up.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Service {
    process: Child,
    pid: u32,
    state_dir: PathBuf,
    log: PathBuf,
    journeys: Journeys,
}

impl Service {
    /// Starts it and returns once it answers.
    pub(super) async fn start(
        program: &Path,
        stage: &Stage,
        journeys: &Journeys,
    ) -> Result<Self, Failure> {
        let log = stage.state_dir().with_file_name("service.log");
        let errors = OpenOptions::new().create(true).append(true).open(&log);
        let errors =
            errors.map_err(|error| Failure::failed(format!("{}: {error}", log.display())))?;
        let process = Command::new(program)
            .arg("--state-dir")
            .arg(stage.state_dir())
            .arg("--config")
            .arg(stage.config())
            .args(["run", "--log-level", "info"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot start the service: {error}")))?;
        let mut service = Self {
            pid: process.id().unwrap_or_default(),
            process,
            state_dir: stage.state_dir().to_owned(),
            log,
            journeys: journeys.clone(),
        };
        service.answers().await?;
        Ok(service)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    async fn answers(&mut self) -> Result<(), Failure> {
        let end = Instant::now() + START_MAX;
        loop {
            self.check_alive()?;
            if let Ok(mut client) = Client::connect(&self.state_dir).await
                && client.call("health", json!({})).await.is_ok()
            {
                self.journeys.follow(client);
                return Ok(());
            }
            self.give_up_after(end, "it does not answer")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns once the watcher has looked at the database: what is there before is history.
    pub(super) async fn watching(&mut self) -> Result<(), Failure> {
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
    pub(super) fn check_alive(&mut self) -> Result<(), Failure> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(&format!("the service ended: {status}"))),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// SIGKILL: no signal handler, no farewell.
    pub(super) async fn kill(mut self) -> Result<(), Failure> {
        self.process.kill().await.map_err(|error| self.failed(&error.to_string()))
    }

    /// SIGTERM, and an orderly end with exit code 0.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|error| self.failed(&error.to_string()))?;
        }
        match timeout(STOP_MAX, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failed(&format!("the service stopped with {status}"))),
            Ok(Err(error)) => Err(self.failed(&error.to_string())),
            Err(_) => Err(self.failed("the service did not stop")),
        }
    }

    fn give_up_after(&self, end: Instant, why: &str) -> Result<(), Failure> {
        if Instant::now() < end { Ok(()) } else { Err(self.failed(why)) }
    }

    fn failed(&self, why: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(8).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Failure::failed(format!("{why}\nits last words:\n{}", last.join("\n")))
    }
}

/// Whether a watcher has completed a poll.
fn has_looked(node: &Value) -> bool {
    (node["id"] == "watcher" && node["idle_ms"].is_u64())
        || node["children"].as_array().into_iter().flatten().any(has_looked)
}
