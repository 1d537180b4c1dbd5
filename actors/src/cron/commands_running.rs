//! The commands of jobs that run now, for those who end an engine: unlike a turn, a command that is
//! cut off does not go on afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many commands of jobs run, and whether more may begin. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct CommandsRunning(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicU64,
    is_closed: AtomicBool,
    is_held: AtomicBool,
}

/// One of them; it counts until this is dropped.
#[derive(Debug)]
pub struct Running(CommandsRunning);

impl CommandsRunning {
    /// How many.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// No job begins any more; claims that wait begin after the next start. Whoever looks at the
    /// count afterwards sees every command that still runs.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
    }

    /// The same, until it is called with `false`; then claims that wait may begin.
    pub fn hold(&self, is_held: bool) {
        self.0.is_held.store(is_held, Ordering::SeqCst);
    }

    /// Whether no job begins in this life any more: what is due is left to the next one.
    pub(super) fn has_ended(&self) -> bool {
        self.0.is_closed.load(Ordering::SeqCst)
    }

    /// Whether no job may begin now.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::SeqCst) || self.0.is_held.load(Ordering::SeqCst)
    }

    /// Begins one, unless none may begin any more.
    pub(super) fn begin(&self) -> Option<Running> {
        // Counted first: between a look and the count somebody might end the engine.
        self.0.count.fetch_add(1, Ordering::SeqCst);
        let running = Running(self.clone());
        (!self.is_closed()).then_some(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_counted_and_nothing_begins_behind_the_end() {
        let running = CommandsRunning::default();
        let first = running.begin().unwrap();
        assert_eq!(running.count(), 1);
        running.close();
        assert!(running.begin().is_none());
        assert_eq!(running.count(), 1);
        drop(first);
        assert_eq!(running.count(), 0);
    }

    #[test]
    fn what_is_held_begins_afterwards_unless_the_end_has_come() {
        let running = CommandsRunning::default();
        running.hold(true);
        assert!(running.begin().is_none());
        running.hold(false);
        assert!(running.begin().is_some());
        running.hold(true);
        running.close();
        running.hold(false);
        assert!(running.begin().is_none());
    }
}
