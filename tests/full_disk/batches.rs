//! A batch larger than the database's buffers, of which one can't be written: all or nothing, and
//! nobody waits for ever.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telson::actors::store::{Batch, CompactionPolicy, Key, Record, Space, Store};

use crate::kit::Home;
use crate::rig::compile_shim;

/// The test that plays the part of the program.
const PROGRAM: &str = "batches::a_large_batch_is_whole";
const RECORDS: u64 = 1000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note(Vec<u8>);

impl Record for Note {
    const VERSION: u8 = 1;
}

fn notes() -> Key {
    Key::of(Space::Transcript).text("s")
}

fn batch() -> Batch {
    let mut batch = Batch::new();
    for number in 0..RECORDS {
        batch.put(notes().number(number), &Note(vec![7; 12_000]));
    }
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_is_whole() {
    let own = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("SHIM_DIR").map_or_else(|| own.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    let open = || Store::open(&dir, CompactionPolicy::default()).unwrap();
    let mut store = open();
    if let Some(control) = std::env::var_os("SHIM_CTL").map(PathBuf::from) {
        std::fs::write(control.join("full"), std::env::var("FAULT").unwrap()).unwrap();
        let commit = tokio::time::timeout(Duration::from_secs(30), store.commit(batch())).await;
        let Ok(commit) = commit else {
            // The thread that waits for ever could not be joined either.
            eprintln!("the commit is not answered");
            std::process::exit(1);
        };
        let refused = commit.expect_err("a buffer was not written");
        assert!(refused.is_disk_full(), "{refused}");
        assert!(store.failure().unwrap().is_disk_full());
        drop(store);
        std::fs::remove_file(control.join("full")).unwrap();
        store = open();
        assert_eq!(store.scan_raw(&notes()).unwrap().len(), 0, "part of a refused batch is there");
    }
    store.commit(batch()).await.unwrap();
    drop(store);
    assert_eq!(open().scan::<Note>(&notes()).unwrap().len(), usize::try_from(RECORDS).unwrap());
}

// Several buffers are written at once. One fails late, when those behind it are on the disk.
#[test]
fn one_buffer_without_space_refuses_the_batch() {
    for fault in ["0 /db - 1", "1 /db - 1", "2 /db - 1", "3 /db - 1"] {
        let home = Home::new();
        std::fs::create_dir(home.path("shim")).unwrap();
        std::fs::write(home.path("shim/late"), "300").unwrap();
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
    }
}
