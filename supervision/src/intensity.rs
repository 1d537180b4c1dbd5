//! The restart budget: so many restarts per window, then somebody else must decide.

use std::collections::VecDeque;
use std::time::Duration;

/// Counts restarts in a sliding window. Times are durations since any fixed origin.
#[derive(Debug, Clone)]
pub struct RestartIntensity {
    restarts_max: u32,
    window: Duration,
    recent: VecDeque<Duration>,
}

impl RestartIntensity {
    /// Allows `restarts_max` restarts within any `window`.
    pub fn new(restarts_max: u32, window: Duration) -> Self {
        Self { restarts_max, window, recent: VecDeque::new() }
    }

    /// Records one restart at `now`; `false` means that the budget is spent.
    #[must_use]
    pub fn record(&mut self, now: Duration) -> bool {
        self.forget_old(now);
        self.recent.push_back(now);
        // One more than allowed is enough to know; the queue never grows beyond that.
        while self.recent.len() > self.restarts_max as usize + 1 {
            self.recent.pop_front();
        }
        self.recent.len() <= self.restarts_max as usize
    }

    /// Spends the whole budget as of `now`: the next restart inside the window exceeds it.
    /// This is how a half-open branch is put on probation.
    pub fn spend(&mut self, now: Duration) {
        self.recent = std::iter::repeat_n(now, self.restarts_max as usize).collect();
    }

    /// Restarts counted in the window that ends at `now`.
    pub fn recent(&mut self, now: Duration) -> usize {
        self.forget_old(now);
        self.recent.len()
    }

    fn forget_old(&mut self, now: Duration) {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) >= self.window) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // V1: the budget gives up exactly when more than `max` restarts lie in one window.
        #[test]
        fn gives_up_iff_more_than_max_in_the_window(
            max in 0u32..6,
            window in 1u64..100,
            gaps in prop::collection::vec(0u64..60, 1..60),
        ) {
            let mut intensity = RestartIntensity::new(max, Duration::from_millis(window));
            let mut times: Vec<u64> = Vec::new();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                times.push(now);
                let inside = times.iter().filter(|at| now - **at < window).count();
                let allowed = intensity.record(Duration::from_millis(now));
                prop_assert_eq!(allowed, inside <= max as usize);
            }
        }

        #[test]
        fn probation_ends_with_the_window(max in 1u32..6, window in 1u64..100) {
            let window = Duration::from_millis(window);
            let mut spent = RestartIntensity::new(max, window);
            spent.spend(Duration::ZERO);
            prop_assert!(!spent.clone().record(Duration::ZERO));
            prop_assert!(spent.record(window));
        }
    }
}
