//! The published conformance suite for clients, against `examples/mcp_conformance.rs`.

use std::path::Path;
use std::process::Command;

use super::kit::{node, tools};

/// Scenarios the suite must have run and found right: it counts a client that does nothing at all
/// as right in some.
const PASSED: [&str; 3] = ["initialize", "tools_call", "sse-retry"];

#[test]
fn the_published_suite_finds_nothing_that_the_baseline_does_not_explain() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let test = std::env::current_exe().unwrap();
    let client = test.parent().unwrap().parent().unwrap().join("examples/mcp_conformance");
    assert!(client.exists(), "run `cargo build --example mcp_conformance` (tests/run does)");
    let results = tempfile::tempdir_in(target.join("tmp")).unwrap();
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/conformance_baseline.yml");
    let suite = Command::new(node())
        .arg(tools().join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
        .args(["client", "--suite", "all", "--timeout", "60000", "--command"])
        .arg(&client)
        .arg("--expected-failures")
        .arg(&baseline)
        .current_dir(results.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&suite.stdout);
    let summary = said.find("SUITE SUMMARY").map_or(&*said, |at| &said[at..]);
    assert!(suite.status.success(), "{summary}\n{}", String::from_utf8_lossy(&suite.stderr));
    for scenario in PASSED {
        let line = summary.lines().find(|line| line.contains(&format!(" {scenario}:")));
        let passed =
            line.is_some_and(|line| !line.contains(": 0 passed") && line.contains(" 0 failed"));
        assert!(passed, "{scenario}: {line:?}\n{summary}");
    }
}
