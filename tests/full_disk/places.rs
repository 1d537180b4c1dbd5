//! Places where the service can't be, or where somebody else was before.

use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::kit::{Home, until};
use crate::rig::Rig;

const EROFS: &str = "30";
const EACCES: &str = "13";

// Nobody has to be told by a stack trace, and no supervisor should try again.
#[test]
fn a_folder_that_cannot_be_written_is_named_before_anything_starts() {
    for (errno, reason) in [(EROFS, "Read-only file system"), (EACCES, "Permission denied")] {
        let rig = Rig::new();
        for is_there in [false, true] {
            if is_there {
                rig.start().stop();
            }
            rig.set("denied", errno);
            let finished = rig.spawn().finish();
            rig.clear("denied");
            assert_eq!(finished.code, 78, "{finished:?}");
            let said = finished.err.lines().last().unwrap_or_default();
            assert!(said.contains(reason) && said.contains("--state-dir"), "{said}");
            assert!(said.contains(rig.stage.state_dir().to_str().unwrap()), "{said}");
            assert!(!finished.err.contains("panicked"), "{}", finished.err);
        }
        rig.start().stop();
    }
}

// Only space comes back by itself. Any other failed write ends the process.
#[test]
fn a_disk_that_becomes_read_only_ends_the_service() {
    let mut rig = Rig::new();
    let service = rig.start();
    rig.set("denied", EROFS);
    rig.stage.write(1).unwrap();
    let finished = service.finish();
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("the store failed"), "{}", finished.err);
    assert!(finished.err.contains("start again to recover from disk"), "{}", finished.err);
    assert!(!finished.err.contains("panicked"), "{}", finished.err);
    rig.clear("denied");
    let service = rig.start();
    rig.answered();
    service.stop();
}

#[test]
fn one_that_waits_for_space_keeps_its_folder() {
    let mut rig = Rig::new();
    let mut first = rig.start();
    rig.set("full", "0");
    rig.stage.write(1).unwrap();
    let waits = || rig.ask(&["--json", "status"]);
    until("the first waits", || waits().out.contains("waiting for space").then_some(()));
    let health = first.call("health", &json!({}));
    assert_eq!((&health["ok"], &health["pid"]), (&json!(false), &json!(first.pid())));
    let second = until("a second one meets the first", || {
        let second = rig.spawn();
        // Between two tries of the first it may find the folder free, and the disk full as well:
        // then it is the one that waits for space, until it is stopped.
        let has_ended = until("the second ends or waits", || {
            let log = second.log();
            if log.contains("is in use by") {
                return Some(true);
            }
            log.contains("waiting for space").then_some(false)
        });
        if !has_ended {
            second.kill();
            return None;
        }
        let second = second.finish();
        (second.code == 78).then_some(second)
    });
    assert!(second.err.contains(&format!("(pid {})", first.pid())), "{}", second.err);
    rig.clear("full");
    rig.answered();
    first.assert_runs();
    first.stop();
}

// The lock is the system's and dies with its process; what a file says about it is history.
#[test]
fn a_lock_file_and_a_socket_of_somebody_long_gone_are_no_obstacle() {
    let home = Home::new();
    std::fs::create_dir(home.state_dir()).unwrap();
    std::fs::write(home.state_dir().join("lock"), "1\n").unwrap();
    drop(UnixListener::bind(home.socket()).unwrap());
    assert!(home.socket().exists());
    let service = home.start(&[]);
    assert_eq!(service.call("status", &json!({}))["pid"], service.pid());
    let second = home.ask(&["run"]);
    assert_eq!(second.code, 78);
    assert!(second.err.contains(&format!("(pid {})", service.pid())), "{}", second.err);
    service.stop();
}
