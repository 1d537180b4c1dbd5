//! A running Telson, a wire tap before it, and a home for the programs that talk to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;

use serde_json::json;

use super::kit::{Home, Process, until};
use super::programs::Programs;
use super::recorder::Recorder;

/// The secret of this scene.
pub(crate) const TOKEN: &str = "a-token-for-tests-0123456789abcdef";

pub(crate) struct Scene {
    pub(crate) programs: Programs,
    /// Ends with this.
    _service: Process,
    pub(crate) recorder: Recorder,
    home: Home,
}

impl Scene {
    /// Nothing if the programs are not there.
    pub(crate) fn start(config: &str) -> Option<Self> {
        let programs = Programs::find()?;
        let home = Home::new();
        home.configure(config);
        home.set_env("TELSON_GATEWAY_TOKEN", TOKEN.as_ref());
        let service = home.start(&["--port", "0"]);
        let gateway = address(&service);
        let recorder = Recorder::start(gateway);
        let settings = json!({"gateway": {
            "mode": "local", "port": recorder.port, "bind": "loopback",
            "auth": {"mode": "token", "token": TOKEN},
        }});
        let scene = Self { programs, _service: service, recorder, home };
        std::fs::create_dir_all(scene.client_home().join(".openclaw")).unwrap();
        let path = scene.client_home().join(".openclaw/openclaw.json");
        std::fs::write(path, settings.to_string()).unwrap();
        Some(scene)
    }

    /// The home of the programs.
    pub(crate) fn client_home(&self) -> PathBuf {
        self.home.path("client")
    }

    /// Runs the OpenClaw command line to its end.
    pub(crate) fn openclaw(&self, args: &[&str]) -> Output {
        self.programs.openclaw(&self.client_home()).args(args).output().unwrap()
    }

    /// The same with the port in its environment.
    pub(crate) fn openclaw_at_port(&self, args: &[&str]) -> Output {
        let port = self.recorder.port.to_string();
        let mut command = self.programs.openclaw(&self.client_home());
        command.env("OPENCLAW_GATEWAY_PORT", port).args(args).output().unwrap()
    }
}

fn address(service: &Process) -> SocketAddr {
    until("the service says where its gateway is", || {
        let out = service.out();
        let (_, rest) = out.split_once("gateway on ws://")?;
        rest.split_whitespace().next()?.parse().ok()
    })
}
