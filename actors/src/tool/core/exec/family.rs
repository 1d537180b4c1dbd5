//! A command and everything it started, to be ended together.
//!
//! The process group is the family. What leaves the group (a daemon, a new session) still carries
//! the mark in its environment, and on Linux is found by it; elsewhere it is not found.

use std::collections::BTreeSet;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

/// The environment variable that marks a family.
pub(super) const MARK: &str = "TELSON_EXEC";
/// Looks for marked processes: each look ends all that were there, and one that forks meanwhile is
/// seen by the next.
const LOOKS_MAX: usize = 200;

/// Ends its processes at the latest when it is dropped.
#[derive(Debug)]
pub(super) struct Family {
    group: Option<Pid>,
    mark: String,
}

impl Family {
    pub(super) fn of(child: &Child, mark: String) -> Self {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { group, mark }
    }

    /// Ends all of them now.
    pub(super) fn end(self) {
        drop(self);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            told(kill_process_group(group, Signal::KILL));
        }
        end_marked(&self.mark);
    }
}

/// Ends the processes whose mark begins like this; gives how many there were.
pub(super) fn end_marked(mark: &str) -> usize {
    let mut ended = BTreeSet::new();
    for _ in 0..LOOKS_MAX {
        let marked = marked(mark);
        if marked.is_empty() {
            return ended.len();
        }
        for process in marked {
            told(kill_process(process, Signal::KILL));
            ended.insert(process.as_raw_nonzero());
        }
        std::thread::yield_now();
    }
    tracing::warn!("a command left processes behind that could not be ended");
    ended.len()
}

/// Who is gone already has ended as well.
fn told(killed: Result<(), Errno>) {
    match killed {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => tracing::warn!(%error, "a process of a command can't be ended"),
    }
}

/// The living processes of this user whose mark begins like this.
#[cfg(target_os = "linux")]
fn marked(mark: &str) -> Vec<Pid> {
    let wanted = format!("{MARK}={mark}");
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let carries =
                environment.split(|byte| *byte == 0).any(|one| one.starts_with(wanted.as_bytes()));
            carries.then_some(pid)
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn marked(_: &str) -> Vec<Pid> {
    Vec::new()
}
