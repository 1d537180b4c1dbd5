//! How many calls of one connection are under way: those that work and those that only wait. Pure.
//!
//! A call that waits for an agent, a node or a tool costs next to nothing, and must not keep its
//! client from being heard: it may want to end just that. Invariant: L1.

/// Methods that wait for somebody else most of their time.
const WAITING: [&str; 5] =
    ["agent", "agent.wait", "node.invoke", "sessions.compact", "tools.invoke"];
/// Calls of one connection that wait.
const WAITING_MAX: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct UnderWay {
    working_max: usize,
    bytes_max: usize,
    working: usize,
    waiting: usize,
    /// What those that wait were asked.
    bytes: usize,
}

/// A call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It works.
    Working,
    /// It waits, and was asked with so many bytes.
    Waiting(usize),
}

impl UnderWay {
    /// None yet; at most so many that work, and so many bytes of those that wait.
    pub(super) fn new(working_max: usize, bytes_max: usize) -> Self {
        Self { working_max, bytes_max, working: 0, waiting: 0, bytes: 0 }
    }

    /// Whether more is read: not while too many work, for they are done soon.
    pub(super) fn is_listening(&self) -> bool {
        self.working < self.working_max
    }

    /// A call begins; `None` if too many wait, for that may last.
    pub(super) fn begin(&mut self, method: &str, bytes: usize) -> Option<Kind> {
        if !WAITING.contains(&method) {
            self.working += 1;
            return Some(Kind::Working);
        }
        // The first one is heard however long it is.
        let is_full = self.waiting > 0 && self.bytes.saturating_add(bytes) > self.bytes_max;
        if self.waiting >= WAITING_MAX || is_full {
            return None;
        }
        self.waiting += 1;
        self.bytes += bytes;
        Some(Kind::Waiting(bytes))
    }

    /// It has ended.
    pub(super) fn end(&mut self, kind: Kind) {
        match kind {
            Kind::Working => self.working -= 1,
            Kind::Waiting(bytes) => {
                self.waiting -= 1;
                self.bytes -= bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::methods;

    #[test]
    fn calls_that_wait_keep_nobody_from_being_heard() {
        let mut calls = UnderWay::new(2, 1_000_000);
        let waiting: Vec<Kind> =
            (0..WAITING_MAX).map(|_| calls.begin("agent.wait", 100).unwrap()).collect();
        assert_eq!(calls.begin("agent", 100), None, "L1");
        let one = calls.begin("health", 100).unwrap();
        assert!(calls.is_listening());
        let two = calls.begin("chat.abort", 100).unwrap();
        assert!(!calls.is_listening(), "L1");
        for kind in waiting.into_iter().chain([one, two]) {
            calls.end(kind);
        }
        assert!(calls.is_listening());
        assert_eq!((calls.working, calls.waiting, calls.bytes), (0, 0, 0));
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let mut calls = UnderWay::new(2, 1_000);
        let long = calls.begin("agent", 5_000).expect("the first is heard however long it is");
        assert_eq!(calls.begin("agent.wait", 1), None);
        calls.end(long);
        assert!(calls.begin("agent", 600).is_some());
        assert_eq!(calls.begin("agent", 600), None);
        assert!(calls.begin("agent", 400).is_some());
    }

    #[test]
    fn they_are_methods() {
        for name in WAITING {
            assert!(methods().any(|method| method.name == name), "{name}");
        }
    }
}
