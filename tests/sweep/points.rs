//! Crash points from outside: what can be armed, and what is refused.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use telson::actors::crash_point::POINTS;

use crate::kit::Home;

/// Runs the service with a crash point armed, to its end.
fn run_armed(wish: &str) -> (ExitStatus, String) {
    let home = Home::new();
    let output = Command::new(env!("CARGO_BIN_EXE_telson"))
        .args(["run", "--port", "0", "--state-dir"])
        .arg(home.state_dir())
        .env("TELSON_CRASH_AT", wish)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_armed_point_kills_the_process() {
    let (status, _) = run_armed("open.after_epoch");
    assert_eq!(status.signal(), Some(9), "{status}");
    let (status, _) = run_armed("open.before_epoch:1");
    assert_eq!(status.signal(), Some(9), "{status}");
}

#[test]
fn an_unknown_point_is_refused_and_the_known_ones_are_listed() {
    let (status, said) = run_armed("open.after_lunch");
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("\"open.after_lunch\" is no crash point"), "{said}");
    for point in POINTS {
        assert!(said.contains(point.name), "{} is listed in {said}", point.name);
    }
    for wish in ["open.after_epoch:0", "open.after_epoch:often", "open.after_epoch:"] {
        let (status, said) = run_armed(wish);
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("a count from 1"), "{said}");
    }
}
