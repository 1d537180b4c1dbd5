//! When an agent is woken again for what a failed heartbeat was told (pure).

use std::time::Duration;

/// The pauses behind failures in a row; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    PAUSE_MAX,
];
/// The longest of them.
pub(super) const PAUSE_MAX: Duration = Duration::from_hours(1);

/// The pause behind this many failures, the last one included.
pub(crate) fn retry_pause(failures: u32) -> Duration {
    let nth = usize::try_from(failures).unwrap_or(usize::MAX).saturating_sub(1);
    PAUSES.get(nth).copied().unwrap_or(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_at_the_longest() {
        let seconds: Vec<u64> = (0..8).map(|failures| retry_pause(failures).as_secs()).collect();
        assert_eq!(seconds, [30, 30, 60, 300, 900, 3600, 3600, 3600]);
        assert_eq!(retry_pause(u32::MAX), PAUSE_MAX);
    }
}
