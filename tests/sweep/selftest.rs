//! `telson selftest` as a person runs it.

use std::path::Path;

use rustix::process::Signal;

use crate::kit::{Home, until};

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn the_report_says_what_happened_and_nothing_is_left_behind() {
    let home = Home::new();
    let disk = home.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let dir = disk.to_str().unwrap();
    let (code, report) = home.ask_json(&[
        "selftest",
        "--kills",
        "6",
        "--messages",
        "30",
        "--seed",
        "5",
        "--dir",
        dir,
    ]);
    assert_eq!((code, &report["ok"]), (0, &true.into()), "{report}");
    for (key, count) in [("kills", 6), ("seed", 5), ("lost", 0), ("doubled", 0), ("reordered", 0)] {
        assert_eq!(report[key], count, "{key} in {report}");
    }
    assert!(report["messages"].as_u64().unwrap() >= 20, "{report}");
    assert_eq!(report["answered"], report["messages"], "{report}");
    assert_eq!(report["crashPoints"]["compiledIn"], true, "{report}");
    assert!(report["fsyncMs"]["p50"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report["fsyncMs"]["samples"].as_u64().unwrap() > 10, "{report}");
    assert!(report["recoveryMs"]["samples"].as_u64().is_some(), "{report}");
    assert!(report["verdict"].as_str().unwrap().contains("exactly once"), "{report}");
    assert!(is_empty(&disk), "the folder is removed");
    assert!(!home.state_dir().exists(), "the person's own state is not touched");
}

#[test]
fn people_get_a_table_and_may_keep_the_folder() {
    let home = Home::new();
    let finished = home.ask(&["selftest", "--kills", "1", "--keep"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    for part in ["KILLS", "LOST", "DOUBLED", "REORDERED", "disk sync", "exactly once and in order"]
    {
        assert!(finished.out.contains(part), "{part} is in {}", finished.out);
    }
    assert!(finished.err.is_empty(), "no progress bar without a terminal: {finished:?}");
    let kept = finished.out.lines().find_map(|line| line.strip_prefix("kept in ")).unwrap();
    let kept = Path::new(kept);
    assert_eq!(kept.parent(), home.state_dir().parent(), "beside the state directory");
    assert!(kept.join("w0/Messages/chat.db").exists());
}

#[test]
fn an_interrupted_sweep_ends_its_children_and_cleans_up() {
    let home = Home::new();
    let disk = home.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let sweep = home.spawn(&["selftest", "--kills", "500", "--dir", disk.to_str().unwrap()]);
    until("services run in the folder", || {
        let sweep = std::fs::read_dir(&disk).ok()?.next()?.ok()?;
        sweep.path().join("w7/state/telson.sock").exists().then_some(())
    });
    sweep.signal(Signal::INT);
    let finished = sweep.finish();
    assert_eq!(finished.code, 130, "{finished:?}");
    assert_eq!(finished.err, "telson: interrupted\n");
    assert!(is_empty(&disk), "nothing is left: nobody wrote to it any more");
}

#[test]
fn a_folder_that_cannot_be_used_is_not_understood() {
    let home = Home::new();
    for args in [
        &["selftest", "--dir", "/no/such/place"][..],
        &["selftest", "--kills", "0"],
        &["selftest", "--messages", "few"],
    ] {
        let finished = home.ask(args);
        assert_eq!(finished.code, 2, "{args:?}: {finished:?}");
        assert!(!finished.err.is_empty() && finished.out.is_empty(), "{args:?}: {finished:?}");
    }
}
