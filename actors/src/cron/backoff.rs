//! Pauses after failures in a row (pure).

use std::time::Duration;

/// The pause before the next run after so many failures in a row; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
];

/// How long a job rests after `failures` in a row; nothing after none.
pub(super) fn pause(failures: u32) -> Duration {
    match usize::try_from(failures).unwrap_or(usize::MAX) {
        0 => Duration::ZERO,
        nth => PAUSES[nth.min(PAUSES.len()) - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_at_an_hour() {
        let seconds: Vec<u64> = (0..8).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 30, 60, 300, 900, 3600, 3600, 3600]);
        assert_eq!(pause(u32::MAX), Duration::from_hours(1));
    }
}
