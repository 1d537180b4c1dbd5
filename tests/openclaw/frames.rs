//! Every frame that leaves the gateway is what the published schema says, and what it says about
//! methods nobody should get wrong is said in the same words for all of them.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::programs::text;
use super::recorder::Sent;
use super::scene::Scene;

/// The checker, run by the Node that comes along.
const CHECKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openclaw/check_frames.cjs");

/// Fails for every frame the published schema does not know.
pub(crate) fn check(scene: &Scene) -> Value {
    let sent = scene.recorder.sent();
    assert!(sent.len() > 2, "something was recorded");
    let lines: Vec<String> = sent.iter().map(line).collect();
    let mut checker = scene
        .programs
        .node(&scene.client_home())
        .arg(CHECKER)
        .arg(scene.programs.modules())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Written by a thread of its own, or both sides could wait for each other.
    let mut input = checker.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.join("\n").as_bytes()));
    let output = checker.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "frames that the schema refuses:\n{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["frames"], json!(sent.len()), "every frame was looked at");
    report
}

fn line(sent: &Sent) -> String {
    json!({"method": sent.method, "frame": sent.frame}).to_string()
}
