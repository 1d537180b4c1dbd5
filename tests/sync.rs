//! What reaches the disk, seen from below: a shim under the real binary counts `fdatasync` calls,
//! and makes one fail.
//!
//! sled's own flush does not sync on Linux, so this is the only place where a missing sync shows.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

#[path = "support/shim.rs"]
mod shim;
#[path = "support/staged.rs"]
mod staged;

use std::path::{Path, PathBuf};
use std::time::Duration;

use staged::{Service, answered, until, watching};
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
    shim::compile(dir, SHIM)
}

fn start(stage: &Stage, shim: &Path, fail_at: Option<u32>, dir: &Path) -> Service {
    let log = dir.join("syncs");
    let mut env = vec![("LD_PRELOAD", shim.display().to_string())];
    env.push(("SHIM_LOG", log.display().to_string()));
    env.extend(fail_at.map(|call| ("SHIM_FAIL_AT", call.to_string())));
    Service::start(stage, dir, &env)
}

fn syncs(dir: &Path, word: &str) -> usize {
    let log = std::fs::read_to_string(dir.join("syncs")).unwrap_or_default();
    log.lines().filter(|line| line.starts_with(word) && line.ends_with("/db")).count()
}

// D1: nothing is acknowledged before it is on the disk itself.
#[test]
fn every_step_of_a_message_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let shim = compile_shim(dir.path());
    let mut stage = Stage::build(dir.path(), Path::new(env!("CARGO_BIN_EXE_telson"))).unwrap();
    let service = start(&stage, &shim, None, dir.path());
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
    let service = start(&stage, &shim, None, dir.path());
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
        let mut service = start(&stage, &shim, Some(fail_at), dir.path());
        watching(&stage);
        let mut number = 0;
        // One by one: a group of messages shares its syncs.
        let status = until(Duration::from_secs(30), || {
            if number == 0 || answered(&stage).is_some() {
                number += 1;
                stage.write(number).unwrap();
            }
            service.ended()
        });
        assert_eq!(status.code(), Some(1));
        let said = std::fs::read_to_string(dir.path().join("stderr")).unwrap();
        assert!(said.contains("the store failed") && said.contains("start again"), "{said}");
        assert!(syncs(dir.path(), "failed") >= 1);
        let again = Service::start(&stage, dir.path(), &[]);
        until(Duration::from_secs(30), || answered(&stage));
        drop(again);
    }
}
