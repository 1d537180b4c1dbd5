//! How long to wait between two engines of one process: longer each time, short again after one
//! that went well.

use std::time::Duration;

/// After the first failure: the space set aside may be all that is needed.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Opening a store costs little, but a turn that can't be recorded may cost money.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// An engine that lasted this long went well.
const WENT_WELL: Duration = Duration::from_mins(5);

/// The state between two engines.
#[derive(Debug, Default)]
pub(super) struct Patience {
    engines: u32,
    failures: u32,
}

impl Patience {
    /// Whether no engine has run before this one, which counts from now on.
    pub(super) fn is_first(&mut self) -> bool {
        self.engines = self.engines.saturating_add(1);
        self.engines == 1
    }

    /// An engine ended after this time.
    pub(super) fn lasted(&mut self, time: Duration) {
        if time >= WENT_WELL {
            self.failures = 0;
        }
    }

    /// The pause after one more failure.
    pub(super) fn pause(&mut self) -> Duration {
        let doublings = self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_again_after_a_good_time() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = (0..10).map(|_| patience.pause().as_millis()).collect();
        assert_eq!(pauses[..5], [250, 500, 1000, 2000, 4000]);
        assert_eq!(pauses[9], 30_000);
        patience.lasted(Duration::from_secs(10));
        assert_eq!(patience.pause().as_millis(), 30_000);
        patience.lasted(Duration::from_hours(1));
        assert_eq!(patience.pause().as_millis(), 250);
    }

    #[test]
    fn only_the_first_engine_is_the_first() {
        let mut patience = Patience::default();
        assert_eq!([patience.is_first(), patience.is_first()], [true, false]);
    }
}
