//! The moment of a job that runs once, as a person writes it here.
//!
//! What names no offset is the time on the wall of the zone that is named, else of this machine:
//! that is settled where it is typed, and the service gets a moment that means the same everywhere.

use jiff::tz::TimeZone;
use telson_actors::cron::wire::{When, on_the_wall, read_when};
use telson_actors::cron::{schedule, words};

use super::super::exit::Failure;

/// Reads a moment for the service.
pub(super) fn read(text: &str, zone: Option<&str>) -> Result<String, Failure> {
    read_here(text, zone, &TimeZone::system())
}

/// What a person should know of a moment that names no zone.
pub(super) fn remark(text: &str) -> Option<String> {
    matches!(read_when(text), Some(When::Wall(_))).then(|| {
        let zone = TimeZone::system();
        let zone = zone.iana_name().map_or_else(String::new, |name| format!(" ({name})"));
        format!("--at {text} is read as the time of this machine{zone}; --tz names another zone")
    })
}

fn read_here(text: &str, zone: Option<&str>, here: &TimeZone) -> Result<String, Failure> {
    let rejected = |why: &str| Failure::rejected(format!("--at {text}: {why}"));
    let no_zone = "--tz says nothing to it; leave it out";
    let wrong = "no moment such as 2026-03-01T08:00:00Z or \"2026-03-01 08:00\", and no time from \
                 now such as 20m";
    match read_when(text).ok_or_else(|| rejected(wrong))? {
        When::From(_) if zone.is_some() => Err(rejected(&format!("a time from now: {no_zone}"))),
        When::At(_) if zone.is_some() => Err(rejected(&format!("it names its offset: {no_zone}"))),
        // From the service's now.
        When::From(_) => Ok(text.trim().to_owned()),
        When::At(at) => Ok(words::moment(at)),
        When::Wall(wall) => {
            let zone = schedule::zone_of(zone, here);
            let zone = zone.map_err(|error| rejected(&error.to_string()))?;
            on_the_wall(wall, &zone).map(words::moment).ok_or_else(|| rejected(wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_the_wall_is_of_the_zone_that_is_named_else_of_this_machine() {
        let here = TimeZone::get("America/New_York").unwrap();
        for (text, zone, expected) in [
            ("2027-01-01 08:00", Some("Europe/Berlin"), "2027-01-01T07:00:00Z"),
            ("2027-01-01 08:00", None, "2027-01-01T13:00:00Z"),
            ("2027-07-01", None, "2027-07-01T04:00:00Z"),
            ("2027-01-01T08:00:00+05:30", None, "2027-01-01T02:30:00Z"),
            ("20m", None, "20m"),
        ] {
            assert_eq!(read_here(text, zone, &here).unwrap(), expected, "{text} {zone:?}");
        }
        for (text, zone, part) in [
            ("20m", Some("UTC"), "a time from now"),
            ("2027-01-01T08:00:00Z", Some("UTC"), "names its offset"),
            ("2027-01-01 08:00", Some("Mars/Base"), "no time zone"),
            ("soon", None, "no moment"),
        ] {
            let wrong = read_here(text, zone, &here).unwrap_err();
            assert!(wrong.text().contains(part), "{part}: {}", wrong.text());
        }
    }
}
