//! A job: what it does, when, and how it has fared (pure).

mod layouts;
mod task;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::task::Task;
use super::schedule::Schedule;
use crate::clock::Timestamp;
use crate::message::{Destination, SessionKey};
use crate::store::Record;
use crate::store::codec::older;

/// Longest id, in bytes: it stands in keys, logs and session keys.
const ID_MAX: usize = 128;

/// The id of a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(String);

impl JobId {
    /// An id of this text; none if it is empty, too long, or holds control characters.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= ID_MAX;
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Tells the agent's main session of something.
    SystemEvent {
        /// What.
        text: String,
    },
    /// Has the agent do something, in a session of its own unless another one is named.
    AgentTurn {
        /// What it is asked.
        message: String,
        /// The model to ask, if not the agent's own.
        model: Option<String>,
        /// How long the turn may take, in seconds.
        timeout_seconds: Option<u64>,
    },
    /// Runs a program, without a shell and without an agent.
    Command(CommandLine),
}

/// A program to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// The program, then its arguments.
    pub argv: Vec<String>,
    /// The folder it runs in; the home folder if absent.
    pub cwd: Option<String>,
    /// More of its environment.
    pub env: BTreeMap<String, String>,
    /// How long it may take, in seconds; ten minutes if absent.
    pub timeout_seconds: Option<u64>,
}

/// When the main session hears of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WakeMode {
    /// At once.
    #[default]
    Now,
    /// With its next heartbeat.
    NextHeartbeat,
}

/// Where the answer of an isolated turn goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Whether it is announced at all.
    pub announce: bool,
    /// The place.
    pub to: Place,
    /// Whether it is no failure when there is no such place.
    pub best_effort: bool,
}

/// A place as a person names it. Without a channel it is where the agent's main session last spoke.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The channel; `last` and nothing mean the last place.
    pub channel: Option<String>,
    /// The platform's id of the conversation.
    pub to: Option<String>,
    /// The account that sends.
    pub account: Option<String>,
    /// The thread.
    pub thread: Option<String>,
}

/// When somebody is told that a job fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRule {
    /// After so many failures in a row.
    pub after: u32,
    /// Not again for so long, in milliseconds.
    pub cooldown_ms: u64,
    /// Whether runs that were skipped count.
    pub include_skipped: bool,
    /// Where to, if not where the job announces.
    pub to: Option<Place>,
}

impl Default for AlertRule {
    fn default() -> Self {
        Self { after: 2, cooldown_ms: 3_600_000, include_skipped: false, to: None }
    }
}

/// What a job says about alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alerts {
    /// As all jobs.
    #[default]
    Shared,
    /// None.
    Off,
    /// Its own rule.
    Own(AlertRule),
}

/// A job as somebody describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// Whether a job that runs once is removed when it has.
    pub delete_after_run: bool,
    /// The agent; the default one if absent.
    pub agent: Option<String>,
    /// When.
    pub schedule: Schedule,
    /// What.
    pub payload: Payload,
    /// The session of an agent's turn, as somebody names it; one of its own if absent.
    pub target: Option<String>,
    /// When the main session hears of it.
    pub wake: WakeMode,
    /// Where the answer goes.
    pub delivery: Option<Delivery>,
    /// Who is told of failures.
    pub alerts: Alerts,
    /// What else was said about it, each as JSON: kept, and without effect.
    pub kept: BTreeMap<String, String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it is.
    pub spec: Spec,
    /// What the config says of it, if it stands there. What was changed since stays until the config
    /// says something else.
    pub declared: Option<Box<Spec>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// How it fares.
    pub state: JobState,
}

impl Record for Job {
    const VERSION: u8 = 2;

    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        (version == 1).then(|| older::<layouts::JobV1>(payload)).flatten().map(Self::from)
    }
}

/// How a job fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// The next instant.
    pub next: Option<Timestamp>,
    /// When that was worked out. A clock that stands before it has been set back.
    pub looked_at: Timestamp,
    /// Nothing up to here runs again, although its record may be gone.
    pub floor: Option<Timestamp>,
    /// Runs in its history.
    pub runs: u32,
    /// The run under way.
    pub running: Option<RunId>,
    /// Since when.
    pub running_since: Option<Timestamp>,
    /// The last run, and how it ended.
    pub last: Option<LastRun>,
    /// Failures in a row.
    pub errors: u32,
    /// Runs skipped in a row.
    pub skips: u32,
    /// How often in a row no next instant could be worked out.
    pub schedule_errors: u32,
    /// When somebody was last told that it fails.
    pub alerted_at: Option<Timestamp>,
    /// Why it is switched off, if it was not a person who did it.
    pub disabled_because: Option<String>,
}

/// The last run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// Which.
    pub run: RunId,
    /// When it began.
    pub at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// What was wrong.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// What became of its answer.
    pub delivery: Delivered,
}

/// Which run of a job: its scheduled instant, or the moment in which a person asked for it. The
/// identity of a run is its job and this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId {
    /// The instant.
    pub at: Timestamp,
    /// Zero for a scheduled run, else the number among those that were asked for in this moment.
    pub manual: u32,
}

impl RunId {
    /// The run of a scheduled instant.
    pub fn scheduled(at: Timestamp) -> Self {
        Self { at, manual: 0 }
    }

    /// Its name over all jobs; also the dedupe key of what it admits.
    pub fn name(self, job: &JobId) -> String {
        match self.manual {
            0 => format!("cron:{job}:{}", self.at.0),
            nth => format!("manual:{job}:{}:{nth}", self.at.0),
        }
    }

    /// Its name within its job, as its session's key has it.
    pub fn short(self) -> String {
        match self.manual {
            0 => self.at.0.to_string(),
            nth => format!("{}-{nth}", self.at.0),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// As it should.
    Ok,
    /// It failed.
    Error,
    /// It did not take place.
    Skipped,
    /// It began, and nobody knows how far it got.
    Unknown,
}

impl Status {
    /// Whether it counts as a failure.
    pub fn has_failed(self) -> bool {
        matches!(self, Self::Error | Self::Unknown)
    }

    /// On the wire, where `completionStatus` says the rest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error | Self::Unknown => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivered {
    /// Nobody asked for it.
    #[default]
    NotRequested,
    /// It is in the outbox, or out.
    Written {
        /// Where to.
        to: Destination,
        /// Its entries.
        entries: Vec<u64>,
    },
    /// It was not announced, and rightly so.
    Left(String),
    /// There was nowhere to announce it.
    Nowhere(String),
}

/// A run, from its claim on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its job.
    pub job: JobId,
    /// What the job was called.
    pub job_name: String,
    /// Which.
    pub run: RunId,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// What it is to do, whatever its job becomes meanwhile.
    pub task: Task,
    /// The session its turn runs in.
    pub session: Option<SessionKey>,
    /// How it ended; nothing while it is under way.
    pub end: Option<RunEnd>,
}

impl Record for Run {
    const VERSION: u8 = 3;

    // The second layout had more ways to end, behind those there were.
    fn from_older(version: u8, payload: &[u8]) -> Option<Self> {
        matches!(version, 1 | 2).then(|| older::<layouts::RunV2>(payload)).flatten().map(Self::from)
    }
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub status: Status,
    /// What was wrong.
    pub error: Option<String>,
    /// How its answer begins, or what its command wrote.
    pub summary: String,
    /// What became of it.
    pub delivery: Delivered,
    /// Who answered, as `provider/model`; empty if nobody did.
    pub model: String,
    /// Tokens read and written.
    pub tokens: (u64, u64),
    /// The next instant, as it was worked out then.
    pub next: Option<Timestamp>,
}

impl Job {
    /// Whether it has a session to itself.
    pub fn is_isolated(&self) -> bool {
        self.asks_agent() && self.spec.target.is_none()
    }

    /// Whether an agent is asked for an answer.
    pub fn asks_agent(&self) -> bool {
        matches!(self.spec.payload, Payload::AgentTurn { .. })
    }

    /// Whether it runs a program.
    pub fn is_command(&self) -> bool {
        matches!(self.spec.payload, Payload::Command(_))
    }

    /// Whether an instant that was missed by long is made up for, once.
    pub fn catches_up(&self) -> bool {
        matches!(self.spec.payload, Payload::SystemEvent { .. }) || self.spec.schedule.is_once()
    }
}
