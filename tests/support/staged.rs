//! The real service on the demo's stage, with whatever the test puts under it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use telson::demo::stage::Stage;

/// The service; killed when the test ends.
pub(crate) struct Service(Child);

impl Service {
    /// Starts it; what it says on standard error goes to `dir/stderr`.
    pub(crate) fn start(stage: &Stage, dir: &Path, env: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telson"));
        command
            .arg("--state-dir")
            .arg(stage.state_dir())
            .arg("--config")
            .arg(stage.config())
            .args(["run", "--port", "0", "--log-level", "warn"])
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("stderr")).unwrap());
        Self(command.spawn().unwrap())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Fails the test if it has ended by itself.
    pub(crate) fn assert_runs(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the service ended by itself");
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        until(limit, || self.0.try_wait().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < limit, "nothing happened within {limit:?}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

pub(crate) fn answered(stage: &Stage) -> Option<()> {
    stage.audit().unwrap().exactly_once().then_some(())
}

/// Returns once the service has looked at chat.db: what was there before is history to it.
pub(crate) fn watching(stage: &Stage) {
    until(Duration::from_secs(20), || {
        let tree = Command::new(env!("CARGO_BIN_EXE_telson"))
            .args(["--json", "tree", "--state-dir"])
            .arg(stage.state_dir())
            .output()
            .unwrap();
        let tree: serde_json::Value = serde_json::from_slice(&tree.stdout).unwrap();
        has_looked(&tree).then_some(())
    });
}

fn has_looked(node: &serde_json::Value) -> bool {
    (node["id"] == "watcher" && node["idle_ms"].is_u64())
        || node["children"].as_array().into_iter().flatten().any(has_looked)
}
