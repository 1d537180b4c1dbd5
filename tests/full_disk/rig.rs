//! The real program on a disk that does what the test says, between a Messages database and an
//! `imsg` that are on a disk without faults.

use std::path::{Path, PathBuf};

use serde_json::Value;
use telson::demo::stage::Stage;

use crate::kit::{Home, Process, until};
use crate::shim;

/// The home folder, the stage in it, and the shim under whatever is started.
pub(crate) struct Rig {
    pub(crate) home: Home,
    pub(crate) stage: Stage,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let stage =
            Stage::build(&home.path("stage"), Path::new(env!("CARGO_BIN_EXE_telson"))).unwrap();
        std::fs::create_dir(home.path("shim")).unwrap();
        home.set_env("LD_PRELOAD", &compile_shim(&home));
        home.set_env("SHIM_DIR", &stage.state_dir());
        home.set_env("SHIM_CTL", &home.path("shim"));
        Self { home, stage }
    }

    /// Starts the service, and returns once it watches: what was written before is history.
    pub(crate) fn start(&self) -> Process {
        let mut service = self.spawn();
        watching(&mut service);
        service
    }

    /// Starts the service and does not wait for it.
    pub(crate) fn spawn(&self) -> Process {
        let mut service = self.home.spawn(&[&["run"], &self.place()[..]].concat());
        service.listens_at(&self.stage.state_dir());
        service
    }

    /// A command about this service, as a person types it.
    pub(crate) fn ask(&self, command: &[&str]) -> crate::kit::Finished {
        self.home.ask(&[command, &self.place()].concat())
    }

    pub(crate) fn status(&self) -> Value {
        self.ask(&["--json", "status"]).json()
    }

    fn place(&self) -> [&str; 4] {
        let text = |path: &'_ Path| -> &'static str {
            Box::leak(path.to_str().unwrap().to_owned().into_boxed_str())
        };
        ["--config", text(&self.stage.config()), "--state-dir", text(&self.stage.state_dir())]
    }

    fn control(&self, name: &str) -> PathBuf {
        self.home.path("shim").join(name)
    }

    /// Sets one of the shim's files, whole at once.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let aside = self.home.path("aside");
        std::fs::write(&aside, value).unwrap();
        std::fs::rename(aside, self.control(name)).unwrap();
    }

    pub(crate) fn clear(&self, name: &str) {
        std::fs::remove_file(self.control(name)).unwrap();
    }

    /// The paths of all writes that failed.
    pub(crate) fn failed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.control("failed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the database says that every message was answered, and none twice.
    pub(crate) fn answered(&self) {
        until("every message is answered", || {
            let audit = self.stage.audit().unwrap();
            assert_eq!(audit.doubled, [], "answered twice");
            audit.lost.is_empty().then_some(())
        });
    }

    /// How many messages are answered so far.
    pub(crate) fn answers(&self) -> usize {
        self.stage.audit().unwrap().answered
    }
}

/// Returns once the service watches.
pub(crate) fn watching(service: &mut Process) {
    until("the watcher has looked", || {
        service.assert_runs();
        service.try_node("watcher").filter(|watcher| watcher["idle_ms"].is_u64())
    });
}

pub(crate) fn compile_shim(home: &Home) -> PathBuf {
    shim::compile(&home.path("."), include_str!("shim.c"))
}
