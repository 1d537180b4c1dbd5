//! Somebody who was let in and asks something, and the server that answers.

use std::time::Duration;

/// What is measured.
pub(crate) trait Server {
    type Caller: Caller;

    fn port(&self) -> u16;
    fn pid(&self) -> u32;
    fn caller(&self) -> Self::Caller;

    /// Time its process has had of the processors.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // Linux counts a hundred of them in a second everywhere.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory.
    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Asks one thing after the other.
pub(crate) trait Caller {
    /// How long each of so many calls takes.
    fn calls(&mut self, count: usize) -> Vec<Duration>;
}
