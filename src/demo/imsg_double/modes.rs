//! What one send does: its effect on the database, and what its caller gets to hear.

use std::str::FromStr;

/// Opens a mode named in a text, as in `[[imsg:die_after]]`.
const MARK_OPENS: &str = "[[imsg:";
const MARK_CLOSES: &str = "]]";

/// The course of one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Goes out; the answer names the row.
    Ok,
    /// Goes out; the answer does not name the row.
    NoGuid,
    /// Goes out late.
    Slow,
    /// Neither goes out nor is answered.
    Hang,
    /// Goes out and is never answered.
    HangAfter,
    /// The process ends before it goes out.
    DieBefore,
    /// The process ends after it went out.
    DieAfter,
    /// Goes out; the answer says the outcome is unknown.
    Unknown,
    /// Does not go out; the answer says the outcome is unknown.
    UnknownNot,
    /// Does not go out; the answer proves it.
    NotStarted,
    /// Does not go out: no permission to control Messages.
    Denied,
    /// Accepted, then fails.
    Fail22,
    /// Goes out twice.
    Double,
    /// Leaves a row nobody receives.
    Ghost,
}

/// What a send does to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// One row that is sent and delivered.
    Row,
    /// One row that fails.
    FailedRow,
    /// Two rows shortly after one another.
    TwoRows,
    /// One row outside every chat.
    Ghost,
}

/// What the caller of a send gets to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Success, naming the row.
    Receipt,
    /// Success, and nothing more.
    BareOk,
    /// Nothing, for as long as the input stays open.
    Silence,
    /// The end of the process.
    Exit,
    /// The outcome is unknown.
    Unknown,
    /// The send never started.
    NotStarted,
    /// Messages may not be controlled.
    Denied,
}

/// No mode has this name, or it is not written as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no mode of a send")]
pub struct UnknownMode(pub String);

const NAMES: &[(&str, Mode)] = &[
    ("ok", Mode::Ok),
    ("noguid", Mode::NoGuid),
    ("slow", Mode::Slow),
    ("hang", Mode::Hang),
    ("hang_after", Mode::HangAfter),
    ("die_before", Mode::DieBefore),
    ("die_after", Mode::DieAfter),
    ("unknown", Mode::Unknown),
    ("unknown_not", Mode::UnknownNot),
    ("not_started", Mode::NotStarted),
    ("denied", Mode::Denied),
    ("fail22", Mode::Fail22),
    ("double", Mode::Double),
    ("ghost", Mode::Ghost),
];

impl Mode {
    /// The mode's effect, and how it ends for the caller.
    pub fn script(self) -> (Effect, Ending) {
        match self {
            Self::Ok | Self::Slow => (Effect::Row, Ending::Receipt),
            Self::NoGuid => (Effect::Row, Ending::BareOk),
            Self::Hang => (Effect::None, Ending::Silence),
            Self::HangAfter => (Effect::Row, Ending::Silence),
            Self::DieBefore => (Effect::None, Ending::Exit),
            Self::DieAfter => (Effect::Row, Ending::Exit),
            Self::Unknown => (Effect::Row, Ending::Unknown),
            Self::UnknownNot => (Effect::None, Ending::Unknown),
            Self::NotStarted => (Effect::None, Ending::NotStarted),
            Self::Denied => (Effect::None, Ending::Denied),
            Self::Fail22 => (Effect::FailedRow, Ending::Receipt),
            Self::Double => (Effect::TwoRows, Ending::Receipt),
            Self::Ghost => (Effect::Ghost, Ending::BareOk),
        }
    }

    /// The name used in texts and options.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, mode)| *mode == self).map_or("ok", |(name, _)| name)
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        let named = NAMES.iter().find(|(known, _)| *known == name);
        named.map(|(_, mode)| *mode).ok_or_else(|| UnknownMode(name.to_owned()))
    }
}

/// The mode a text asks for, if it does. A list such as `[[imsg:die_before,ok]]` has one mode
/// per attempt at this text, counted from 0, and the last goes on for ever.
pub fn asked_for(text: &str, attempt: usize) -> Result<Option<Mode>, UnknownMode> {
    let marked = text.split_once(MARK_OPENS).and_then(|(_, rest)| rest.split_once(MARK_CLOSES));
    let Some((names, _)) = marked else {
        return Ok(None);
    };
    let modes: Vec<Mode> = names.split(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok(modes.get(attempt).or(modes.last()).copied())
}

/// Modes and how probable each is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Odds(Vec<(Mode, f64)>);

impl Odds {
    /// The mode a roll in `0.0..1.0` falls on.
    pub fn pick(&self, roll: f64) -> Option<Mode> {
        let mut reached = 0.0;
        let hit = self.0.iter().find(|(_, probability)| {
            reached += probability;
            roll < reached
        });
        hit.map(|(mode, _)| *mode)
    }
}

impl FromStr for Odds {
    type Err = UnknownMode;

    /// Reads `name=probability` pairs between commas.
    fn from_str(list: &str) -> Result<Self, UnknownMode> {
        let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let odds = pairs.map(|pair| {
            let unreadable = || UnknownMode(pair.to_owned());
            let (name, probability) = pair.split_once('=').ok_or_else(unreadable)?;
            Ok((name.parse()?, probability.parse().map_err(|_| unreadable())?))
        });
        odds.collect::<Result<_, _>>().map(Self)
    }
}

/// The roll at a place of the sequence a seed starts, evenly spread over `0.0..1.0`.
/// Places can be taken in any order: the sequence has no state.
pub fn roll(seed: u64, place: u64) -> f64 {
    let mut mixed = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_modes_belong_together() {
        for (name, mode) in NAMES {
            assert_eq!(name.parse(), Ok(*mode));
            assert_eq!(mode.name(), *name);
        }
        assert_eq!("fine".parse::<Mode>(), Err(UnknownMode("fine".to_owned())));
    }

    #[test]
    fn a_text_may_ask_for_a_mode_per_attempt() {
        assert_eq!(asked_for("hello", 0), Ok(None));
        assert_eq!(asked_for("hello [[imsg:", 0), Ok(None));
        assert_eq!(asked_for("a [[imsg:hang]] b", 3), Ok(Some(Mode::Hang)));
        assert_eq!(asked_for("[[imsg:die_before,ok]]", 0), Ok(Some(Mode::DieBefore)));
        assert_eq!(asked_for("[[imsg:die_before,ok]]", 1), Ok(Some(Mode::Ok)));
        assert_eq!(asked_for("[[imsg:die_before,ok]]", 9), Ok(Some(Mode::Ok)));
        assert_eq!(asked_for("[[imsg:fine]]", 0), Err(UnknownMode("fine".to_owned())));
    }

    #[test]
    fn rolls_hit_odds_as_often_as_they_say() {
        let odds: Odds = "die_after=0.1,unknown=0.2".parse().unwrap();
        let hits = |mode| (0..10_000).filter(|place| odds.pick(roll(1, *place)) == mode).count();
        assert!((900..1_100).contains(&hits(Some(Mode::DieAfter))));
        assert!((1_850..2_150).contains(&hits(Some(Mode::Unknown))));
    }

    proptest! {
        #[test]
        fn a_roll_is_a_fraction_and_repeats(seed in any::<u64>(), place in any::<u64>()) {
            let first = roll(seed, place);
            prop_assert!((0.0..1.0).contains(&first));
            prop_assert!((first - roll(seed, place)).abs() < f64::EPSILON);
        }
    }
}
