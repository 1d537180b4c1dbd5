//! The gateway: the real program in a folder of its own, and an operator on a WebSocket.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use telson::gateway_client::GatewayClient;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::caller::{Caller, Server};

const TOKEN: &str = "a-good-token-0123456789abcdef";

pub(crate) struct Gateway {
    child: Child,
    port: u16,
    _home: TempDir,
}

pub(crate) fn start() -> Gateway {
    let home = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_telson"))
        .args(["--json", "run"])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .env("TELSON_GATEWAY_PORT", "0")
        .env("TELSON_GATEWAY_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(home.path().join("out")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let port = loop {
        let out = std::fs::read_to_string(home.path().join("out")).unwrap();
        let after = out.split_once("gateway on ws://127.0.0.1:").map(|(_, rest)| rest.to_owned());
        let digits = |rest: String| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        if let Some(port) = after.filter(|_| out.ends_with('\n')).and_then(digits) {
            break port;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    Gateway { child, port, _home: home }
}

impl Server for Gateway {
    type Caller = Operator;

    fn port(&self) -> u16 {
        self.port
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn caller(&self) -> Operator {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = format!("ws://127.0.0.1:{}", self.port).parse().unwrap();
        let client = runtime.block_on(GatewayClient::connect(&address, Some(TOKEN))).unwrap();
        Operator { runtime, client }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Asks for health.
pub(crate) struct Operator {
    runtime: Runtime,
    client: GatewayClient,
}

impl Caller for Operator {
    fn calls(&mut self, count: usize) -> Vec<Duration> {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let mut times = Vec::new();
            for _ in 0..count {
                let begun = Instant::now();
                client.call("health", json!({})).await.unwrap();
                times.push(begun.elapsed());
            }
            times
        })
    }
}
