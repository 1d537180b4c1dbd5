//! A day of UTC.

use std::fmt;

use crate::clock::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Days since the beginning of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u64);

impl Day {
    /// The day of a moment. A clock from before 1970 shows the first one.
    pub fn of(at: Timestamp) -> Self {
        Self(u64::try_from(at.0.div_euclid(DAY_MS)).unwrap_or(0))
    }

    /// So many days earlier.
    #[must_use]
    pub fn minus(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

/// The date, as in `2026-01-31`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years that begin in March end with the odd day; 400 of them are a whole cycle.
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        write!(f, "{:04}-{month:02}-{day:02}", era * 400 + year + next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (day, date) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(Day(day).to_string(), date);
        }
        assert_eq!(Day::of(Timestamp(DAY_MS - 1)), Day(0));
        assert_eq!(Day::of(Timestamp(DAY_MS)), Day(1));
        assert_eq!(Day::of(Timestamp(-1)), Day(0));
    }
}
