//! How one session queues, where a person has said so: stored beside the session, above the config.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lane::{DropPolicy, LaneSettings, Mode};
use crate::message::SessionKey;
use crate::store::{Key, Record, Space};

/// What a person has chosen for their session. What they left open comes from the config.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueChoice {
    /// How messages become turns.
    pub mode: Option<Mode>,
    /// Quiet time before a collecting lane starts, in milliseconds.
    pub quiet_millis: Option<u64>,
    /// Messages that wait in full.
    pub cap: Option<u32>,
    /// What gives way beyond that.
    pub drop: Option<DropPolicy>,
}

impl Record for QueueChoice {
    const VERSION: u8 = 1;
}

/// Where a session's choice lives; absent for most.
pub fn queue_key(session: &SessionKey) -> Key {
    Key::of(Space::Queue).text(session.as_str())
}

impl QueueChoice {
    /// The settings with what was chosen.
    #[must_use]
    pub fn over(&self, settings: LaneSettings) -> LaneSettings {
        LaneSettings {
            mode: self.mode.unwrap_or(settings.mode),
            quiet: self.quiet_millis.map_or(settings.quiet, Duration::from_millis),
            cap: self.cap.map_or(settings.cap, |cap| usize::try_from(cap).unwrap_or(usize::MAX)),
            drop: self.drop.unwrap_or(settings.drop),
            ..settings
        }
    }

    /// This choice with a newer one above it.
    #[must_use]
    pub fn and(self, newer: Self) -> Self {
        Self {
            mode: newer.mode.or(self.mode),
            quiet_millis: newer.quiet_millis.or(self.quiet_millis),
            cap: newer.cap.or(self.cap),
            drop: newer.drop.or(self.drop),
        }
    }

    /// Whether everything comes from the config.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The settings as a person reads and types them.
impl fmt::Display for LaneSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, drop) = (self.mode.name(), self.drop.name());
        write!(f, "{mode} debounce:{}ms cap:{} drop:{drop}", self.quiet.as_millis(), self.cap)
    }
}

impl Mode {
    /// Its name in configs and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steer => "steer",
            Self::Followup => "followup",
            Self::Collect => "collect",
            Self::Interrupt => "interrupt",
        }
    }

    /// The mode of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Steer, Self::Followup, Self::Collect, Self::Interrupt];
        all.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }
}

impl DropPolicy {
    /// Its name in configs and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summarize => "summarize",
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// The policy of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Summarize, Self::Old, Self::New];
        all.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(name))
    }
}
