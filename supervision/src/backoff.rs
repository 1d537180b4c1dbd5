//! Growing pauses between restarts, so that the budget measures storms only.

use std::time::Duration;

/// Exponential back-off with jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter: f64,
}

impl Backoff {
    /// Pauses from `min`, doubling up to `max`, spread by up to `jitter` (0.0 to 1.0) of themselves.
    pub const fn new(min: Duration, max: Duration, jitter: f64) -> Self {
        Self { min, max, jitter }
    }

    /// No pause at all.
    pub const fn none() -> Self {
        Self::new(Duration::ZERO, Duration::ZERO, 0.0)
    }

    /// The pause before attempt number `attempt` (0 is the first), with `roll` in `0.0..=1.0` from
    /// the caller's randomness. Always within `[min, max]`.
    pub fn delay(&self, attempt: u32, roll: f64) -> Duration {
        let base = self.base(attempt);
        let spread = base.mul_f64(self.jitter.clamp(0.0, 1.0) * roll.clamp(0.0, 1.0));
        base.saturating_add(spread).min(self.max).max(self.min)
    }

    fn base(&self, attempt: u32) -> Duration {
        let factor = 2u32.checked_pow(attempt.min(31)).unwrap_or(u32::MAX);
        self.min.checked_mul(factor).unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stays_within_bounds_and_grows(
            min in 0u64..10_000, more in 0u64..1_000_000, attempt in any::<u32>(), roll in 0.0f64..=1.0,
        ) {
            let backoff = Backoff::new(
                Duration::from_millis(min), Duration::from_millis(min + more), 0.3,
            );
            let delay = backoff.delay(attempt, roll);
            prop_assert!(delay >= Duration::from_millis(min));
            prop_assert!(delay <= Duration::from_millis(min + more));
            prop_assert!(backoff.delay(attempt, 0.0) <= backoff.delay(attempt.saturating_add(1), 0.0));
        }
    }
}
