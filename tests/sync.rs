//! What reaches the disk, seen from below: a shim under the real binary counts `fdatasync` calls,
//! and makes one fail.
//!
//! sled's own flush does not sync on Linux, so this is the only place where a missing sync shows.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use telson::demo::stage::Stage;

/// Writes the path of every synced file to `$SHIM_LOG`; call number `$SHIM_FAIL_AT` fails.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int calls;
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    const char *fail = getenv("SHIM_FAIL_AT");
    int call = __sync_add_and_fetch(&calls, 1);
    int bad = fail && call >= atoi(fail);
    FILE *log = fopen(getenv("SHIM_LOG"), "a");
    if (log) { fprintf(log, "%s %s\n", bad ? "failed" : "synced", path); fclose(log); }
    if (bad) { errno = EIO; return -1; }
    return real(fd);
}
"#;

fn compile_shim(dir: &Path) -> PathBuf {
    let (source, library) = (dir.join("shim.c"), dir.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let compiled = Command::new(cc)
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .expect("a C compiler is there: the build needs one too");
    assert!(compiled.success());
    library
}

/// The service under the shim; killed when the test ends.
struct Service(Child);

impl Service {
    fn start(stage: &Stage, shim: Option<&Path>, fail_at: Option<u32>, dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telson"));
        command
            .arg("--state-dir")
            .arg(stage.state_dir())
            .arg("--config")
            .arg(stage.config())
            .args(["run", "--log-level", "warn"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("stderr")).unwrap());
        if let Some(shim) = shim {
            command.env("LD_PRELOAD", shim).env("SHIM_LOG", dir.join("syncs"));
        }
        if let Some(call) = fail_at {
            command.env("SHIM_FAIL_AT", call.to_string());
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
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

fn answered(stage: &Stage) -> Option<()> {
    stage.audit().unwrap().exactly_once().then_some(())
}

fn syncs(dir: &Path, word: &str) -> usize {
    let log = std::fs::read_to_string(dir.join("syncs")).unwrap_or_default();
    log.lines().filter(|line| line.starts_with(word) && line.ends_with("/db")).count()
}

/// Returns once the service has looked at chat.db: what was there before is history to it.
fn watching(stage: &Stage) {
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

// D1: nothing is acknowledged before it is on the disk itself.
#[test]
fn every_step_of_a_message_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let shim = compile_shim(dir.path());
    let mut stage = Stage::build(dir.path(), Path::new(env!("CARGO_BIN_EXE_telson"))).unwrap();
    let service = Service::start(&stage, Some(&shim), None, dir.path());
    watching(&stage);
    let before = syncs(dir.path(), "synced");
    stage.write(1).unwrap();
    until(Duration::from_secs(20), || answered(&stage));
    // Admitted, finished, and the attempt with its evidence: at least these came before the reply.
    let after = syncs(dir.path(), "synced");
    assert!(after >= before + 3, "{before} syncs before the message, {after} after its reply");
    drop(service);
}

// A message alone waits for three syncs: admitted, finished, about to be sent. The receipt rides on
// the next commit.
#[test]
fn a_lone_message_costs_three_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let shim = compile_shim(dir.path());
    let mut stage = Stage::build(dir.path(), Path::new(env!("CARGO_BIN_EXE_telson"))).unwrap();
    let service = Service::start(&stage, Some(&shim), None, dir.path());
    watching(&stage);
    stage.write(1).unwrap();
    until(Duration::from_secs(20), || answered(&stage));
    let mut costs = Vec::new();
    for number in 2..=11 {
        let before = syncs(dir.path(), "synced");
        stage.write(number).unwrap();
        until(Duration::from_secs(20), || answered(&stage));
        costs.push(syncs(dir.path(), "synced") - before);
    }
    costs.sort_unstable();
    // Now and then a timer syncs what an earlier message left.
    assert!(costs[costs.len() / 2] <= 3, "{costs:?}");
    drop(service);
}

// After a failed sync nobody knows what is on the disk: the service says so, acknowledges nothing
// more, and ends; the next start goes on without loss or double.
#[test]
fn a_failed_sync_ends_the_service_and_loses_nothing() {
    for fail_at in [8, 9, 10, 11] {
        let dir = tempfile::tempdir().unwrap();
        let shim = compile_shim(dir.path());
        let mut stage = Stage::build(dir.path(), Path::new(env!("CARGO_BIN_EXE_telson"))).unwrap();
        let mut service = Service::start(&stage, Some(&shim), Some(fail_at), dir.path());
        watching(&stage);
        let mut number = 0;
        // One by one: a group of messages shares its syncs.
        let status = until(Duration::from_secs(30), || {
            if number == 0 || answered(&stage).is_some() {
                number += 1;
                stage.write(number).unwrap();
            }
            service.0.try_wait().unwrap()
        });
        assert_eq!(status.code(), Some(1));
        let said = std::fs::read_to_string(dir.path().join("stderr")).unwrap();
        assert!(said.contains("the store failed") && said.contains("start again"), "{said}");
        assert!(syncs(dir.path(), "failed") >= 1);
        let again = Service::start(&stage, None, None, dir.path());
        until(Duration::from_secs(30), || answered(&stage));
        drop(again);
    }
}
