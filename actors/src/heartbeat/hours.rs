//! The hours of the day in which an agent may wake by itself.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

use crate::clock::Timestamp;

/// Minutes of a day.
const DAY_MIN: u16 = 24 * 60;

/// A time of day that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of day; write HH:MM from 00:00 to 24:00")]
pub struct HoursError(pub String);

/// From `start` up to, but not including, `end`, as clocks on the wall show it in one time zone.
///
/// An end before the start wraps around midnight. The same start and end leave no time at all.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveHours {
    start_min: u16,
    end_min: u16,
    zone: TimeZone,
}

impl ActiveHours {
    /// Reads two times of day, `HH:MM`. `24:00` is the end of a day.
    ///
    /// # Errors
    /// A text that is no time of day.
    pub fn new(start: &str, end: &str, zone: TimeZone) -> Result<Self, HoursError> {
        Ok(Self { start_min: minutes(start)?, end_min: minutes(end)?, zone })
    }

    /// Whether this moment lies within.
    pub fn contains(&self, at: Timestamp) -> bool {
        let Some(at) = self.local(at) else { return false };
        let minute = minute_of(&at);
        if self.start_min <= self.end_min {
            (self.start_min..self.end_min).contains(&minute)
        } else {
            minute >= self.start_min || minute < self.end_min
        }
    }

    /// The first moment from `at` on that lies within; none if there is no such time.
    ///
    /// A start that clocks skip (they are set forward) begins where they go on.
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.contains(at) {
            return Some(at);
        }
        if self.start_min == self.end_min {
            return None;
        }
        let here = self.local(at)?;
        let start = Time::midnight()
            .checked_add(SignedDuration::from_mins(i64::from(self.start_min % DAY_MIN)))
            .ok()?;
        // It opens when clocks show the start, which they may do twice in a day, or when they are
        // set. The hours of a day may be skipped as a whole, those of the next are not.
        let days =
            (0..4).filter_map(|days| here.date().checked_add(jiff::Span::new().days(days)).ok());
        let starts = days.flat_map(|date| {
            let shown = self.zone.to_ambiguous_zoned(date.to_datetime(start));
            [shown.clone().earlier(), shown.later()].into_iter().filter_map(Result::ok)
        });
        let starts = starts.map(|opens| opens.timestamp());
        let set = self.zone.following(here.timestamp()).map(|change| change.timestamp());
        let opens = starts.chain(set.take(2)).map(|opens| Timestamp(opens.as_millisecond()));
        opens.filter(|opens| *opens > at && self.contains(*opens)).min()
    }

    fn local(&self, at: Timestamp) -> Option<Zoned> {
        let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

fn minute_of(at: &Zoned) -> u16 {
    u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs())
}

fn minutes(text: &str) -> Result<u16, HoursError> {
    let wrong = || HoursError(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |part: &str| {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u16>().ok()).flatten().ok_or_else(wrong)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let at = hour * 60 + minute;
    if minute > 59 || at > DAY_MIN { Err(wrong()) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(start: &str, end: &str, zone: &str) -> ActiveHours {
        ActiveHours::new(start, end, TimeZone::get(zone).unwrap()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn the_start_is_in_and_the_end_is_out() {
        let day = hours("08:00", "22:00", "UTC");
        for (text, inside) in [
            ("2026-01-01T07:59:59Z", false),
            ("2026-01-01T08:00:00Z", true),
            ("2026-01-01T21:59:59Z", true),
            ("2026-01-01T22:00:00Z", false),
        ] {
            assert_eq!(day.contains(at(text)), inside, "{text}");
        }
        assert!(hours("00:00", "24:00", "UTC").contains(at("2026-01-01T23:59:59Z")));
    }

    #[test]
    fn an_end_before_the_start_wraps_around_midnight() {
        let night = hours("22:00", "06:30", "UTC");
        for (text, inside) in [
            ("2026-01-01T21:59:59Z", false),
            ("2026-01-01T22:00:00Z", true),
            ("2026-01-01T00:00:00Z", true),
            ("2026-01-01T06:29:59Z", true),
            ("2026-01-01T06:30:00Z", false),
        ] {
            assert_eq!(night.contains(at(text)), inside, "{text}");
        }
    }

    #[test]
    fn the_same_start_and_end_leave_no_time() {
        let never = hours("08:00", "08:00", "UTC");
        assert!(!never.contains(at("2026-01-01T08:00:00Z")));
        assert_eq!(never.next_open(at("2026-01-01T08:00:00Z")), None);
    }

    // Lord Howe moves its clocks by half an hour, Kathmandu is 5:45 ahead, Kiritimati 14 hours,
    // and Gaza and Cairo have moved theirs at midnight.
    #[test]
    fn odd_zones_go_by_the_clock_on_their_wall() {
        assert!(hours("12:30", "12:31", "Asia/Kathmandu").contains(at("2026-06-01T06:45:30Z")));
        assert!(hours("00:00", "00:01", "Pacific/Kiritimati").contains(at("2026-06-01T10:00:00Z")));
        let howe = hours("09:00", "10:00", "Australia/Lord_Howe");
        assert!(howe.contains(at("2026-01-10T22:00:00Z")), "summer: UTC+11");
        assert!(!howe.contains(at("2026-07-10T22:00:00Z")), "winter: UTC+10:30, it is 08:30");
        assert!(howe.contains(at("2026-07-10T22:30:00Z")));
    }

    #[test]
    fn hours_over_a_change_of_clocks_are_those_on_the_wall() {
        // New York, 8 March 2026: 02:00 becomes 03:00.
        let gap = hours("02:15", "03:30", "America/New_York");
        assert_eq!(gap.next_open(at("2026-03-08T06:00:00Z")), Some(at("2026-03-08T07:00:00Z")));
        // All of it is skipped: the next day it is there again.
        let skipped = hours("02:15", "02:45", "America/New_York");
        assert_eq!(skipped.next_open(at("2026-03-08T06:00:00Z")), Some(at("2026-03-09T06:15:00Z")));
        assert!(gap.contains(at("2026-03-08T07:29:00Z")), "03:29, and 02:15 never was");
        assert!(!gap.contains(at("2026-03-08T07:30:00Z")));
        // 1 November: 01:30 comes twice, and both count.
        let twice = hours("01:00", "02:00", "America/New_York");
        for text in ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
            assert!(twice.contains(at(text)), "{text}");
        }
        let late = hours("01:30", "02:00", "America/New_York");
        assert_eq!(late.next_open(at("2026-11-01T06:10:00Z")), Some(at("2026-11-01T06:30:00Z")));
        assert!(!twice.contains(at("2026-11-01T07:00:00Z")));
    }

    #[test]
    fn only_times_of_day_are_read() {
        for wrong in
            ["", "8:00", "08", "08:60", "24:01", "25:00", "-1:00", "08:0a", "+8:00", "08:00:00"]
        {
            assert_eq!(
                ActiveHours::new(wrong, "10:00", TimeZone::UTC),
                Err(HoursError(wrong.to_owned()))
            );
        }
    }

    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "America/St_Johns",
        "Africa/Cairo",
    ];

    proptest! {
        // An independent look at every minute between says the same as the calculation.
        #[test]
        fn the_next_opening_is_the_first_minute_inside(
            zone in prop::sample::select(&ZONES[..]),
            start in 0u16..1440, length in 1u16..1400, from in prop_oneof![
                0i64..(366 * 1440),
                // Around New York's and Berlin's changes of clocks.
                (66 * 1440 - 600)..(66 * 1440 + 1200_i64),
                (303 * 1440)..(305 * 1440_i64),
                (86 * 1440)..(88 * 1440_i64),
            ],
        ) {
            let end = (start + length) % 1440;
            let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let hours = hours(&text(start), &text(end), zone);
            let from = Timestamp(at("2026-01-01T00:00:00Z").0 + from * 60_000);
            let found = hours.next_open(from).expect("it opens every day");
            let minutes = (found.0 - from.0) / 60_000;
            prop_assert!(minutes <= 3 * 1440);
            let looked = (0..=minutes).find(|minute| hours.contains(Timestamp(from.0 + minute * 60_000)));
            prop_assert_eq!(looked, Some(minutes));
        }

        #[test]
        fn hours_and_their_complement_share_no_moment(
            start in 0u16..1440, end in 0u16..1440, at in 0i64..4_000_000_000_000,
        ) {
            prop_assume!(start != end);
            let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let one = hours(&text(start), &text(end), "Europe/Berlin");
            let other = hours(&text(end), &text(start), "Europe/Berlin");
            prop_assert!(one.contains(Timestamp(at)) != other.contains(Timestamp(at)));
        }
    }
}
