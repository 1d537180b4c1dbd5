//! Two hundred kills. More by hand: `telson selftest --kills 10000`.

use std::path::Path;

use telson::actors::crash_point::POINTS;
use telson::selftest::{Request, sweep};

/// Chosen once; another one is as good. `telson selftest --kills 200 --seed 2026` repeats it.
const SEED: u64 = 2026;
const KILLS: u32 = 200;

// D1 to D6, X3: nothing acknowledged is lost, nothing doubled, replies of a chat leave in order, and
// what is parked is shown. Worlds with `resend` and with `park` take turns.
#[tokio::test]
async fn two_hundred_kills_lose_double_and_reorder_nothing() {
    let dir = tempfile::Builder::new().prefix("telson-sweep-").tempdir().unwrap();
    let request = Request {
        program: Path::new(env!("CARGO_BIN_EXE_telson")),
        dir: dir.path(),
        kills: KILLS,
        messages: None,
        seed: SEED,
        on_kill: &|| (),
    };
    let report = sweep(&request).await.unwrap_or_else(|error| panic!("{error}"));
    let shown = serde_json::to_string_pretty(&report).unwrap();
    eprintln!("{shown}");
    assert!(report.findings.is_empty(), "{shown}");
    assert_eq!((report.lost, report.doubled, report.reordered), (0, 0, 0), "{shown}");
    assert_eq!(report.answered, usize::try_from(report.messages).unwrap(), "{shown}");
    assert!(report.ok, "{shown}");
    assert!(report.messages >= 5 * KILLS, "too little traffic to prove much: {shown}");
    assert_eq!(report.tool_calls_doubled, 0, "{shown}");
    assert!(report.tool_calls >= 200, "too few tool calls to prove much: {shown}");
    assert!(report.jobs >= 70, "too few jobs to prove much: {shown}");
    assert!(report.parked > 0, "no answer was held back, so the default was not proven: {shown}");
    let died_at: Vec<&str> = report.crash_points.hit.keys().copied().collect();
    let mut all: Vec<&str> = POINTS.iter().map(|point| point.name).collect();
    all.sort_unstable();
    assert_eq!(died_at, all, "the service died at every named point: {shown}");
}
