//! A copy of the store that finds no space: the live store goes on, and the copy comes later.
//!
//! A store with a policy of its own is needed, so this binary starts itself again, over the shim.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use telson::actors::store::{Batch, CompactionPolicy, Key, Record, Space, Store};

use crate::kit::Home;
use crate::rig::compile_shim;

/// The test that plays the part of the program.
const PROGRAM: &str = "compaction::content_survives_a_compaction";
/// Kept at any time.
const KEYS: u64 = 400;
/// New ones per commit.
const STEP: u64 = 40;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note(u64, Vec<u8>);

impl Record for Note {
    const VERSION: u8 = 1;
}

fn key(number: u64) -> Key {
    Key::of(Space::Transcript).text("s").number(number)
}

fn open(dir: &Path) -> Store {
    let policy = CompactionPolicy::at_once(2 * 1024 * 1024, 2);
    Store::open(dir, policy).unwrap()
}

/// Forty new keys, and the forty oldest go; every commit has to be acknowledged.
async fn write(store: &Store, round: u64) {
    let mut batch = Batch::new();
    for number in round * STEP..(round + 1) * STEP {
        batch.put(key(number), &Note(number, vec![u8::try_from(round % 251).unwrap(); 700]));
        if let Some(old) = number.checked_sub(KEYS) {
            batch.delete(key(old));
        }
    }
    store.commit(batch).await.unwrap();
}

fn generation(dir: &Path) -> u64 {
    std::fs::read_to_string(dir.join("store/CURRENT")).unwrap().trim().parse().unwrap()
}

/// The faults this test was started with: where to set them, and which.
fn faults() -> Option<(PathBuf, String)> {
    let control = std::env::var_os("SHIM_CTL")?;
    Some((control.into(), std::env::var("FAULT").unwrap()))
}

fn has_failed(control: &Path) -> bool {
    std::fs::metadata(control.join("failed")).is_ok_and(|meta| meta.len() > 0)
}

/// Writes rounds until `holds`; answers the next round.
async fn write_until(store: &Store, mut round: u64, holds: impl Fn() -> bool) -> u64 {
    let end = round + 3_000;
    while !holds() {
        assert!(round < end, "nothing happened in 3000 rounds");
        write(store, round).await;
        round += 1;
    }
    round
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_survives_a_compaction() {
    let own = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("SHIM_DIR").map_or_else(|| own.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    let store = open(&dir);
    let mut round = 0;
    if let Some((control, fault)) = faults() {
        std::fs::write(control.join("full"), fault).unwrap();
        round = write_until(&store, round, || has_failed(&control)).await;
        for _ in 0..50 {
            write(&store, round).await;
            round += 1;
        }
        assert_eq!(generation(&dir), 1, "half a copy is live");
        std::fs::remove_file(control.join("full")).unwrap();
    }
    round = write_until(&store, round, || generation(&dir) > 1).await;
    for _ in 0..KEYS / STEP {
        write(&store, round).await;
        round += 1;
    }
    drop(store);
    let notes = open(&dir).scan::<Note>(&Key::of(Space::Transcript).text("s")).unwrap();
    let numbers: Vec<u64> = notes.into_iter().map(|(_, Note(number, _))| number).collect();
    let kept: Vec<u64> = (round * STEP - KEYS..round * STEP).collect();
    assert_eq!(numbers, kept);
}

#[test]
fn a_copy_without_space_leaves_the_live_store_alone() {
    for fault in ["0 generation-2", "2 generation-2", "8 generation-2", "0 CURRENT"] {
        let home = Home::new();
        std::fs::create_dir(home.path("shim")).unwrap();
        let run = Command::new(std::env::current_exe().unwrap())
            .args([PROGRAM, "--exact", "--nocapture"])
            .env("LD_PRELOAD", compile_shim(&home))
            .env("SHIM_DIR", home.path("state"))
            .env("SHIM_CTL", home.path("shim"))
            .env("FAULT", fault)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{fault}: {said}{}", String::from_utf8_lossy(&run.stdout));
        assert!(!said.contains("panicked"), "{fault}: {said}");
        let failed = std::fs::read_to_string(home.path("shim/failed")).unwrap();
        assert!(!failed.is_empty(), "{fault}: nothing failed");
    }
}
