//! Power loss: everything acknowledged is there when the power comes back, whole.
//!
//! A recorder under the program writes down every write, sync and name, in one order. From it the
//! tests build what a disk may hold after a power loss at any step (`power/disk.rs` says what that
//! is), and open it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

#[path = "power/disk.rs"]
mod disk;
#[path = "power/log.rs"]
mod log;
#[path = "support/shim.rs"]
mod shim;
#[path = "support/staged.rs"]
mod staged;
#[path = "power/workload.rs"]
mod workload;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use disk::{Disk, Mercy, below};
use log::Step;
use staged::{Service, answered, until, watching};
use telson::actors::store::Store;
use telson::demo::stage::Stage;
use telson::supervision::Dice;
use tempfile::TempDir;
use workload::ALWAYS;

const RECORDER: &str = include_str!("power/record.c");
/// Names the directory a recorded child works in.
const CHILD_DIR: &str = "POWER_CHILD_DIR";
/// How long anything may take: test machines are busy.
const PATIENCE: Duration = Duration::from_mins(1);
/// Power losses of one run.
const LOSSES: usize = 210;

/// A directory for images. In memory where there is such a place: an image is opened, not proven.
fn image_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// Runs the workload in a child under the recorder; answers the root of its disk and its steps.
fn record(dir: &Path) -> (PathBuf, Vec<Step>) {
    let root = dir.join("disk");
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(dir.join("acks")).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_recorded_work_leaves_what_it_should", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env("LD_PRELOAD", shim::compile(dir, RECORDER))
        .env("SHIM_DIR", &root)
        .env("SHIM_MARKS", dir.join("acks"))
        .env("SHIM_LOG", dir.join("log"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    (root, log::read(&dir.join("log")))
}

/// The work that is recorded, as a test of its own; started again by the others as their child.
#[test]
fn the_recorded_work_leaves_what_it_should() {
    let own = TempDir::new().unwrap();
    let dir = std::env::var_os(CHILD_DIR).map_or(own.path().to_owned(), PathBuf::from);
    let state_dir = dir.join("disk/state");
    std::fs::create_dir_all(dir.join("acks")).unwrap();
    std::fs::create_dir_all(dir.join("disk")).unwrap();
    telson::actors::store::durable::create_dir(&state_dir).unwrap();
    workload::run(&state_dir, &dir.join("acks/acks"));
    let store = Store::open(&state_dir, ALWAYS).unwrap();
    assert!(workload::held(&store) == workload::after(workload::BATCHES));
}

// D1, on the disk itself: whatever the moment, and whatever the disk kept of what was not synced.
#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let dir = TempDir::new().unwrap();
    let initial = dir.path().join("disk");
    let (root, steps) = record(dir.path());
    assert_eq!(root, initial);
    let is_swap = |step: &&Step| matches!(step, Step::Rename { to, .. } if to.ends_with("CURRENT"));
    assert!(steps.iter().filter(is_swap).count() > 10, "it compacts all the time");
    let seed = std::env::var("POWER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let dice = Dice::seeded(seed);
    let mut moments = moments(&steps, &dice);
    moments.sort_unstable();
    let empty = TempDir::new().unwrap();
    let mut disk = Disk::rooted(empty.path(), &root);
    let (mut done, mut acknowledged) = (0, 0);
    for moment in moments {
        for step in &steps[done..moment] {
            disk.step(step);
            if let Step::Mark(mark) = step {
                acknowledged =
                    acknowledged.max(1 + u64::from_le_bytes(mark[..8].try_into().unwrap()));
            }
        }
        done = moment;
        let mercy = [Mercy::Nothing, Mercy::Everything, Mercy::Some, Mercy::Some, Mercy::Some]
            [below(&dice, 5)];
        let image = image_dir();
        disk.lose_power(image.path(), mercy, &dice);
        let what = format!("seed {seed}, step {moment}, {mercy:?}, {acknowledged} acknowledged");
        judge(image.path(), acknowledged, &what).await;
    }
}

/// Steps after which the power goes: at random, and around every change of names.
fn moments(steps: &[Step], dice: &Dice) -> Vec<usize> {
    let names = steps.iter().enumerate().filter(|(_, step)| {
        matches!(step, Step::Rename { .. } | Step::Create { .. } | Step::MakeDir { .. })
    });
    let names: Vec<usize> = names.map(|(index, _)| index).collect();
    (0..LOSSES)
        .map(|number| match number % 3 {
            0 => (names[below(dice, names.len())] + below(dice, 6)).min(steps.len()),
            _ => below(dice, steps.len() + 1),
        })
        .collect()
}

/// Opens an image: the store is in the state after some commit that is not older than the last
/// acknowledged one, so every batch is whole; and it works.
async fn judge(image: &Path, acknowledged: u64, what: &str) {
    let state_dir = image.join("state");
    if !state_dir.exists() {
        assert_eq!(acknowledged, 0, "{what}: everything is gone");
        return;
    }
    let store = Store::open(&state_dir, ALWAYS).unwrap_or_else(|error| panic!("{what}: {error}"));
    let held = workload::held(&store);
    let commits = workload::commits_in(&held);
    assert!(
        (acknowledged..=acknowledged + workload::AT_ONCE).contains(&commits),
        "{what}: the store is in the state after {commits} commits"
    );
    assert!(workload::after(commits) == held, "{what}: not whole after {commits} commits");
    let note = workload::commit_another(&store).await;
    drop(store);
    let store = Store::open(&state_dir, ALWAYS).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(workload::held(&store).into_values().last(), Some(note), "{what}");
}

/// The recorder under a service whose state directory is the disk.
fn recorder(stage: &Stage, dir: &Path) -> Vec<(&'static str, String)> {
    let library = shim::compile(dir, RECORDER);
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("SHIM_DIR", stage.state_dir().display().to_string()),
        ("SHIM_LOG", dir.join("log").display().to_string()),
    ]
}

/// A stage whose state directory is there, and durable.
fn stage(dir: &Path) -> Stage {
    let stage = Stage::build(dir, Path::new(env!("CARGO_BIN_EXE_telson"))).unwrap();
    std::fs::create_dir(stage.state_dir()).unwrap();
    stage
}

/// Replaces the state directory by what a power loss leaves of it.
fn lose_power(stage: &Stage, dir: &Path, disk: &mut Disk, mercy: Mercy, dice: &Dice) {
    for step in log::read(&dir.join("log")) {
        disk.step(&step);
    }
    std::fs::remove_file(dir.join("log")).unwrap();
    std::fs::remove_dir_all(stage.state_dir()).unwrap();
    disk.lose_power(&stage.state_dir(), mercy, dice);
}

// The whole service, judged by the Messages database: people write, the machine loses its power
// again and again, and every message is answered exactly once.
#[test]
fn the_service_answers_everything_once_whatever_the_disk_kept() {
    let dir = TempDir::new().unwrap();
    let (mut stage, dice) = (stage(dir.path()), Dice::seeded(11));
    let env = recorder(&stage, dir.path());
    for loss in 0..8u32 {
        let mut disk = Disk::rooted(&stage.state_dir(), &stage.state_dir());
        let mut service = Service::start(&stage, dir.path(), &env);
        watching(&stage);
        for number in 0..5 {
            stage.write(1 + loss * 5 + number).unwrap();
        }
        let moment = Duration::from_millis(dice.next() % 400);
        std::thread::park_timeout(moment);
        service.assert_runs();
        service.kill();
        let mercy = if loss % 2 == 0 { Mercy::Nothing } else { Mercy::Some };
        lose_power(&stage, dir.path(), &mut disk, mercy, &dice);
    }
    let mut service = Service::start(&stage, dir.path(), &[]);
    until(PATIENCE, || {
        service.assert_runs();
        answered(&stage)
    });
}

// A failed sync leaves behind what the system shows and will never write. The next start copies
// everything, so that a power loss after it loses nothing.
#[test]
fn what_a_failed_sync_leaves_is_written_anew() {
    for fail_at in [7, 9, 12] {
        let dir = TempDir::new().unwrap();
        let (mut stage, dice) = (stage(dir.path()), Dice::seeded(fail_at));
        let mut disk = Disk::rooted(&stage.state_dir(), &stage.state_dir());
        let env = recorder(&stage, dir.path());
        let mut failing = env.clone();
        failing.push(("SHIM_FAIL_SYNC_AT", fail_at.to_string()));
        let mut service = Service::start(&stage, dir.path(), &failing);
        watching(&stage);
        let mut number = 0;
        // One by one: a group of messages shares its syncs.
        let status = until(PATIENCE, || {
            if number == 0 || answered(&stage).is_some() {
                number += 1;
                stage.write(number).unwrap();
            }
            service.ended()
        });
        assert_eq!(status.code(), Some(1));
        let mark = stage.state_dir().join("store/SUSPECT");
        assert!(mark.exists(), "the failure is remembered");
        let service = Service::start(&stage, dir.path(), &env);
        watching(&stage);
        until(PATIENCE, || answered(&stage));
        assert!(!mark.exists());
        service.kill();
        lose_power(&stage, dir.path(), &mut disk, Mercy::Nothing, &dice);
        let mut service = Service::start(&stage, dir.path(), &[]);
        watching(&stage);
        stage.write(number + 1).unwrap();
        until(PATIENCE, || {
            service.assert_runs();
            answered(&stage)
        });
    }
}

// A write of which only a part arrives, and a disk that then refuses every write: nothing is
// acknowledged after it, and nothing acknowledged before it is lost.
#[test]
fn a_short_write_ends_the_engine_and_loses_nothing() {
    const EIO: u32 = 5;
    const ENOSPC: u32 = 28;
    for (short_at, errno) in [(10, EIO), (14, EIO), (12, ENOSPC)] {
        let dir = TempDir::new().unwrap();
        let mut stage = stage(dir.path());
        let mut failing = recorder(&stage, dir.path());
        failing.push(("SHIM_SHORT_WRITE_AT", short_at.to_string()));
        failing.push(("SHIM_WRITE_ERRNO", errno.to_string()));
        let mut service = Service::start(&stage, dir.path(), &failing);
        watching(&stage);
        for number in 1..=20 {
            stage.write(number).unwrap();
        }
        let said = || std::fs::read_to_string(dir.path().join("stderr")).unwrap();
        if errno == ENOSPC {
            // Space may come back: the process waits for it.
            until(PATIENCE, || said().contains("waiting for space").then_some(()));
            service.assert_runs();
            service.kill();
        } else {
            assert_eq!(service.wait(PATIENCE).code(), Some(1));
        }
        let said = said();
        assert!(said.contains("the store failed") && !said.contains("panicked"), "{said}");
        let service = Service::start(&stage, dir.path(), &[]);
        until(PATIENCE, || answered(&stage));
        service.kill();
    }
}

// A short write that is repeated by its rest is no failure at all.
#[test]
fn the_rest_of_a_short_write_follows() {
    let dir = TempDir::new().unwrap();
    let mut stage = stage(dir.path());
    let mut env = recorder(&stage, dir.path());
    env.push(("SHIM_SHORT_WRITE_AT", "8".into()));
    let service = Service::start(&stage, dir.path(), &env);
    watching(&stage);
    for number in 1..=4 {
        stage.write(number).unwrap();
    }
    until(PATIENCE, || answered(&stage));
    service.kill();
    let service = Service::start(&stage, dir.path(), &[]);
    watching(&stage);
    assert!(answered(&stage).is_some());
    drop(service);
}
