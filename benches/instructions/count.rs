//! Counting by callgrind, in a process per case.

use std::process::Command;

/// Repetitions of the two runs whose difference is counted. The difference leaves out the start of
/// the process and what a case prepares.
const FEW: u64 = 20;
const MANY: u64 = 120;

/// Why nothing was counted.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no valgrind here.
    NoValgrind,
    /// It ran and did not say what it counted.
    Unread(String),
}

/// Instructions of one repetition of a case, as this program does it under valgrind.
pub(crate) fn instructions(case: &str) -> Result<u64, Failure> {
    let (few, many) = (run(case, FEW)?, run(case, MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

fn run(case: &str, times: u64) -> Result<u64, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::Unread(error.to_string()))?;
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", case, "--times", &times.to_string()])
        .output()
        .map_err(|_| Failure::NoValgrind)?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    collected(&said).filter(|_| ran.status.success()).ok_or(Failure::Unread(said))
}

/// The figure in `==4711== Collected : 123456`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}
