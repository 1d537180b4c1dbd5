//! The one armed point of this process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use super::table::POINTS;

/// The armed point, and how many passages are left.
static ARMED: OnceLock<(&'static str, AtomicU32)> = OnceLock::new();

/// Arms a point: the process dies at its `passage`-th passage, counting from 1. Once per process.
///
/// # Errors
/// A sentence that lists the known names, or says that a point is armed already.
pub fn arm(name: &str, passage: u32) -> Result<(), String> {
    let Some(point) = POINTS.iter().find(|point| point.name == name) else {
        let known: Vec<&str> = POINTS.iter().map(|point| point.name).collect();
        return Err(format!("{name:?} is no crash point; known are {}", known.join(", ")));
    };
    ARMED
        .set((point.name, AtomicU32::new(passage)))
        .map_err(|_| "a crash point is armed already".to_owned())
}

/// Dies here, if this is the armed point and its passage.
#[inline]
pub fn crash_point(name: &'static str) {
    if let Some((armed, left)) = ARMED.get()
        && *armed == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // The signal is there before the call returns.
        if kill_process(getpid(), Signal::KILL).is_err() {
            std::process::abort();
        }
    }
}
