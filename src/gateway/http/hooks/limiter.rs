//! Who has shown too many wrong tokens, and for how long nothing of theirs is looked at. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Failures within the window that lock an address out.
const FAILURES_MAX: usize = 20;
/// The window, in milliseconds.
const WINDOW_MS: u64 = 60_000;
/// The lockout, in milliseconds.
const LOCKOUT_MS: u64 = 60_000;
/// Addresses remembered; beyond it the one that has been quiet longest is forgotten.
const ADDRESSES_MAX: usize = 1024;

/// The failures of every address. Times are milliseconds of one steady clock.
#[derive(Debug, Default)]
pub(super) struct Limiter(BTreeMap<IpAddr, Failures>);

#[derive(Debug, Default)]
struct Failures {
    at: VecDeque<u64>,
    locked_until: u64,
}

impl Limiter {
    /// How long an address has still to wait; nothing if it may try.
    pub(super) fn wait(&self, address: IpAddr, now: u64) -> Option<Duration> {
        let until = self.0.get(&address)?.locked_until;
        until.checked_sub(now).filter(|left| *left > 0).map(Duration::from_millis)
    }

    /// A wrong token.
    pub(super) fn failed(&mut self, address: IpAddr, now: u64) {
        if !self.0.contains_key(&address) && self.0.len() >= ADDRESSES_MAX {
            let last = |failures: &Failures| failures.at.back().copied().unwrap_or_default();
            let quietest = self.0.iter().min_by_key(|(_, failures)| last(failures));
            let quietest = quietest.map(|(address, _)| *address);
            quietest.map(|address| self.0.remove(&address));
        }
        let failures = self.0.entry(address).or_default();
        failures.at.push_back(now);
        while failures.at.front().is_some_and(|at| at + WINDOW_MS <= now) {
            failures.at.pop_front();
        }
        if failures.at.len() >= FAILURES_MAX {
            failures.at.clear();
            failures.at.push_back(now);
            failures.locked_until = now + LOCKOUT_MS;
        }
    }

    /// The right token: what came before is forgiven.
    pub(super) fn succeeded(&mut self, address: IpAddr) {
        self.0.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(last: u16) -> IpAddr {
        IpAddr::from([127, 0, last.to_be_bytes()[0], last.to_be_bytes()[1]])
    }

    #[test]
    fn twenty_failures_lock_out_for_a_minute() {
        let mut limiter = Limiter::default();
        for nth in 0..19 {
            limiter.failed(address(1), nth * 100);
        }
        assert_eq!(limiter.wait(address(1), 2_000), None);
        limiter.failed(address(1), 2_000);
        assert_eq!(limiter.wait(address(1), 2_000), Some(Duration::from_mins(1)));
        assert_eq!(limiter.wait(address(2), 2_000), None, "nobody else");
        assert_eq!(limiter.wait(address(1), 61_999), Some(Duration::from_millis(1)));
        assert_eq!(limiter.wait(address(1), 62_000), None);
        limiter.failed(address(1), 62_001);
        assert_eq!(limiter.wait(address(1), 62_001), None, "a new count");
    }

    #[test]
    fn slow_failures_and_forgiven_ones_do_not_count() {
        let mut limiter = Limiter::default();
        for nth in 0..200 {
            limiter.failed(address(1), nth * 4_000);
        }
        assert_eq!(limiter.wait(address(1), 800_000), None);
        for nth in 0..19 {
            limiter.failed(address(2), nth);
        }
        limiter.succeeded(address(2));
        limiter.failed(address(2), 20);
        assert_eq!(limiter.wait(address(2), 20), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        // L1
        #[test]
        fn it_never_remembers_more_than_it_may(from in prop::collection::vec(0u16..3000, 0..3000)) {
            let mut limiter = Limiter::default();
            for (now, last) in from.iter().enumerate() {
                limiter.failed(address(*last), now as u64);
            }
            prop_assert!(limiter.0.len() <= ADDRESSES_MAX);
            prop_assert!(limiter.0.values().all(|failures| failures.at.len() < FAILURES_MAX));
        }
    }
}
