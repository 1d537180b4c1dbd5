//! How jobs are run, as plain values.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::job::{AlertRule, JobId};
use crate::tool::core::exec::ExecSettings;

/// Settings of all jobs of an engine.
#[derive(Debug, Clone)]
pub struct CronSettings {
    /// Whether anything runs. Jobs are kept and can be changed all the same.
    pub enabled: bool,
    /// Runs at the same time.
    pub runs_max: usize,
    /// How long the session of an isolated run is kept after its end; for ever if absent.
    pub session_retention: Option<Duration>,
    /// When somebody is told of failures; never if absent.
    pub alert: Option<AlertRule>,
    /// Longest time of an isolated turn that says nothing else.
    pub turn_max: Duration,
    /// The machine's own zone: of schedules that name none, and of the times agents are told.
    pub zone: TimeZone,
    /// Jobs of the config, as JSON.
    pub declared: Vec<(JobId, Value)>,
    /// How commands are run: their environment, of which `HOME` is the folder they run in.
    pub commands: ExecSettings,
}

impl Default for CronSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            runs_max: 1,
            session_retention: Some(Duration::from_hours(24)),
            alert: Some(AlertRule::default()),
            turn_max: Duration::from_hours(1),
            zone: TimeZone::UTC,
            declared: Vec::new(),
            commands: ExecSettings::default(),
        }
    }
}
