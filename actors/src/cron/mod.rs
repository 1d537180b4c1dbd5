//! Jobs: what wakes an agent at its time, without a person writing.
//!
//! ```text
//! scheduler   holds every job, one timer for the next instant, at most a minute ahead
//!    |  1 claim: one commit {run, job state}; an instant that is claimed never runs again
//!    v
//! [run]       one actor per job that runs
//!    |  2 an isolated turn is admitted under a dedupe key of its instant; an event is handed to the main session
//!    |  3 waits for the end of the turn, or stops it at its deadline
//!    v
//! scheduler   4 one commit {run, job state, announcement, alert}
//! ```
//!
//! What is due, what is caught up, what follows a failure is decided by pure files. A run is its job
//! and its scheduled instant; both stand in the store, so that neither a kill nor a clock that is
//! set makes a second one.
//!
//! * **While the gateway is up** each instant of a job that is enabled and not running runs once.
//!   Instants that come while a run of the same job is under way do not run.
//! * **An instant that was missed** (the gateway was down, the machine asleep, the clock set
//!   forward) by at most two minutes still runs. Beyond that `at` jobs and events for the main
//!   session run once, for the first missed instant; isolated turns go on at their next instant.
//! * **A clock that is set back** makes no instant run again: the job goes on with its first instant
//!   that has not run.

mod actor;
mod announce;
mod backoff;
mod book;
mod command;
mod commands_running;
mod consequence;
mod event;
mod fate;
mod found;
mod handle;
pub mod job;
mod last;
mod main_session;
mod outcome;
mod outside;
mod plan;
mod prompt;
mod record;
mod run;
pub mod schedule;
mod settings;
mod spent;
mod target;
pub mod wake;
pub mod wire;
pub mod words;

pub use actor::{Begun, ChangeError, CronActor, CronDeps, CronMessage, CronStatus};
pub use commands_running::{CommandsRunning, Running};
pub use event::{Action, CronEvent, CronEvents};
pub use fate::{Fate, Fates};
pub use handle::Cron;
pub use main_session::MainSessions;
pub use outside::last_outside;
pub use plan::LATE_MAX;
pub use record::{job_key, job_prefix, run_key, run_prefix};
pub use run::{RunDeps, RunMessage, runs_child};
pub use settings::CronSettings;
pub use target::check_target;
