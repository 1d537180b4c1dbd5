//! Where jobs and their runs live in the store.

use serde::{Deserialize, Serialize};

use super::job::{JobId, RunId};
use crate::channel::webchat;
use crate::clock::Timestamp;
use crate::inbox::dedupe_key;
use crate::message::{Destination, SessionKey};
use crate::store::{Key, Record, Space};

/// A session of a run that is over, to be removed when its time has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reap {
    /// When the run ended.
    pub at: Timestamp,
    /// Its session.
    pub session: SessionKey,
}

impl Record for Reap {
    const VERSION: u8 = 1;
}

/// Where an agent's main session was last known to speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastPlace(pub Destination);

impl Record for LastPlace {
    const VERSION: u8 = 1;
}

/// Where a job lives.
pub fn job_key(job: &JobId) -> Key {
    job_prefix().text(job.as_str())
}

/// All jobs.
pub fn job_prefix() -> Key {
    Key::of(Space::CronJob)
}

/// Where a run lives: by job, in order of its instant.
pub fn run_key(job: &JobId, run: RunId) -> Key {
    // Instants before 1970 would sort behind all others, and there are none.
    run_prefix(job).number(run.at.0.cast_unsigned()).number(run.manual.into())
}

/// All runs of a job.
pub fn run_prefix(job: &JobId) -> Key {
    Key::of(Space::CronRun).text(job.as_str())
}

/// Where it stands that a job had run at an instant, although its history went with it: one that is
/// made anew under its id has run then. Forgotten with the ids of platforms.
pub(super) fn ran_key(job: &JobId, at: Timestamp) -> Key {
    dedupe_key(&webchat::account(), &format!("ran:{}", RunId::scheduled(at).name(job)))
}

/// Where a session that is to be removed is noted: the oldest first.
pub(super) fn reap_key(reap: &Reap) -> Key {
    reap_prefix().number(reap.at.0.cast_unsigned()).text(reap.session.as_str())
}

/// All of them.
pub(super) fn reap_prefix() -> Key {
    Key::of(Space::CronReap)
}

/// Where an agent's last place is kept.
pub(super) fn place_key(agent: &str) -> Key {
    Key::of(Space::CronPlace).text(agent)
}

/// Where it stands that the command of a run was begun.
pub(super) fn command_key(job: &JobId, run: RunId) -> Key {
    command_prefix(job).number(run.at.0.cast_unsigned()).number(run.manual.into())
}

/// Where it stands how much of its time the turn of a run has had.
pub(super) fn spent_key(job: &JobId, run: RunId) -> Key {
    spent_prefix(job).number(run.at.0.cast_unsigned()).number(run.manual.into())
}

/// The same for all runs of a job.
pub(super) fn spent_prefix(job: &JobId) -> Key {
    Key::of(Space::CronSpent).text(job.as_str())
}

/// All begun commands of a job.
pub(super) fn command_prefix(job: &JobId) -> Key {
    Key::of(Space::CronCommand).text(job.as_str())
}
