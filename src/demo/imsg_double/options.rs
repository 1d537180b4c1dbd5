//! How the double behaves, as its caller's environment says.

use std::path::PathBuf;
use std::time::Duration;

use super::modes::{Mode, Odds, UnknownMode};

/// Pause before a send takes effect: long enough that a reader sees "not yet".
const DELAY_DEFAULT: Duration = Duration::from_millis(10);
/// Extra pause of a slow send: longer than a caller with a short patience waits.
const SLOW_DEFAULT: Duration = Duration::from_secs(6);

/// The version of `imsg` that is played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// Lenient with parameters, one request at a time, few methods.
    V0_9,
    /// Strict with parameters, reads beside sends, says what is known of a failed delivery.
    #[default]
    V0_15,
}

/// Everything that can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database, for callers that pass it the same way (`IMSG_DB`).
    pub db: Option<PathBuf>,
    /// Where to record sends (`IMSG_LEDGER`); nowhere by default.
    pub ledger: Option<PathBuf>,
    /// The version played (`IMSG_PROFILE`: `0.9` or `0.15`).
    pub profile: Profile,
    /// What sends do unless their text or the odds say otherwise (`IMSG_MODE`).
    pub mode: Mode,
    /// Pause before a send takes effect, and again before it is delivered (`IMSG_DELAY`, in
    /// seconds).
    pub delay: Duration,
    /// Extra pause of a slow send.
    pub slow: Duration,
    /// Modes drawn at random (`IMSG_RANDOM`, such as `die_after=0.02,unknown=0.05`).
    pub odds: Odds,
    /// Start of the random sequence (`IMSG_SEED`). With a ledger the sequence goes on where
    /// the process before this one left it, so that a restarted double does not repeat itself.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            db: None,
            ledger: None,
            profile: Profile::default(),
            mode: Mode::Ok,
            delay: DELAY_DEFAULT,
            slow: SLOW_DEFAULT,
            odds: Odds::default(),
            seed: None,
        }
    }
}

/// Why the options could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A value does not fit its key.
    #[error("read {key}: {value:?} is not {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What would fit.
        expected: &'static str,
    },
    /// A mode has no such name.
    #[error("read {key}: {source}")]
    Mode {
        /// The key.
        key: &'static str,
        /// The name.
        source: UnknownMode,
    },
}

impl Options {
    /// Reads options from pairs such as the environment's; other keys are passed over.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, OptionsError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut options = Self::default();
        for (key, value) in pairs {
            options.set(key.as_ref(), value.as_ref())?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), OptionsError> {
        match key {
            "IMSG_DB" => self.db = Some(value.into()),
            "IMSG_LEDGER" => self.ledger = Some(value.into()),
            "IMSG_PROFILE" => self.profile = profile(value)?,
            "IMSG_MODE" => self.mode = mode_value("IMSG_MODE", value.parse())?,
            "IMSG_DELAY" => self.delay = seconds(value)?,
            "IMSG_RANDOM" => self.odds = mode_value("IMSG_RANDOM", value.parse())?,
            "IMSG_SEED" => self.seed = Some(seed(value)?),
            _ => {}
        }
        Ok(())
    }
}

fn mode_value<T>(key: &'static str, parsed: Result<T, UnknownMode>) -> Result<T, OptionsError> {
    parsed.map_err(|source| OptionsError::Mode { key, source })
}

fn profile(value: &str) -> Result<Profile, OptionsError> {
    match value {
        "0.9" => Ok(Profile::V0_9),
        "0.15" => Ok(Profile::V0_15),
        _ => Err(misfit("IMSG_PROFILE", value, "0.9 or 0.15")),
    }
}

fn seconds(value: &str) -> Result<Duration, OptionsError> {
    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| misfit("IMSG_DELAY", value, "a number of seconds"))
}

fn seed(value: &str) -> Result<u64, OptionsError> {
    value.parse().map_err(|_| misfit("IMSG_SEED", value, "a whole number"))
}

fn misfit(key: &'static str, value: &str, expected: &'static str) -> OptionsError {
    OptionsError::Value { key, value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_and_others_are_passed_over() {
        let options = Options::from_pairs([
            ("HOME", "/home/nobody"),
            ("IMSG_DB", "chat.db"),
            ("IMSG_LEDGER", "ledger.jsonl"),
            ("IMSG_PROFILE", "0.9"),
            ("IMSG_MODE", "noguid"),
            ("IMSG_DELAY", "0.25"),
            ("IMSG_RANDOM", "die_after=0.02, unknown=0.05"),
            ("IMSG_SEED", "7"),
        ])
        .unwrap();
        assert_eq!(options.db, Some("chat.db".into()));
        assert_eq!(options.ledger, Some("ledger.jsonl".into()));
        assert_eq!((options.profile, options.mode), (Profile::V0_9, Mode::NoGuid));
        assert_eq!(options.delay, Duration::from_millis(250));
        assert_eq!(options.odds.pick(0.01), Some(Mode::DieAfter));
        assert_eq!(options.odds.pick(0.06), Some(Mode::Unknown));
        assert_eq!(options.odds.pick(0.08), None);
        assert_eq!(options.seed, Some(7));
    }

    #[test]
    fn a_misfit_names_its_key() {
        for (key, value) in [
            ("IMSG_PROFILE", "1.0"),
            ("IMSG_MODE", "fine"),
            ("IMSG_DELAY", "-1"),
            ("IMSG_RANDOM", "ok=often"),
            ("IMSG_RANDOM", "ok"),
            ("IMSG_SEED", "x"),
        ] {
            let error = Options::from_pairs([(key, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("read {key}: ")), "{error}");
        }
    }
}
