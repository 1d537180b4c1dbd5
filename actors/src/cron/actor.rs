//! The scheduler: every job, one timer.
//!
//! Jobs are changed by its handle, runs report to it; it starts runs through their supervisor and
//! writes announcements into the outbox. It is the only writer of jobs and of their runs.
//! [`plan`](super::plan) and [`consequence`](super::consequence) decide; this file only performs.
//! Restart: reads all jobs; a run that is claimed and not ended goes on, and its actor tells again
//! how it has ended. Who runs for long is asked again now and then: no lost word holds a job up.

mod changes;
mod claims;
mod ends;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde_json::Value;
use telson_supervision::{Dice, Health, Registry};
use tokio::task::JoinHandle;

use super::book::Book;
use super::commands_running::{CommandsRunning, Running};
use super::event::CronEvents;
use super::job::{Job, JobId, RunId};
use super::main_session::MainSessions;
use super::outcome::Outcome;
use super::plan::pause;
use super::record::job_prefix;
use super::run::Runs;
use super::settings::CronSettings;
use crate::clock::{Clock, Timestamp};
use crate::crash_point::crash_point;
use crate::outbox::Outbox;
use crate::store::{Batch, Store, StoreError};

/// The name it answers to.
pub(super) const NAME: &str = "cron";

/// A clock that stands this much before the last look has been set back. Less is drift.
const DRIFT_MAX: Duration = Duration::from_secs(1);
/// How often what is old is removed.
const UPKEEP_EVERY: Duration = Duration::from_mins(5);
/// How soon a round that has left something behind is followed by the next.
const UPKEEP_AGAIN: Duration = Duration::from_secs(1);

/// What the scheduler needs.
#[derive(Clone)]
pub struct CronDeps {
    /// How jobs are run.
    pub settings: CronSettings,
    /// Where they live.
    pub store: Store,
    /// The way out.
    pub outbox: Outbox,
    /// Time.
    pub clock: Clock,
    /// Randomness, for the ids of new jobs.
    pub dice: Dice,
    /// Who is near.
    pub registry: Registry,
    /// For those who watch.
    pub events: CronEvents,
    /// The commands that run; nothing begins once that is closed.
    pub commands: CommandsRunning,
    /// Agents by id.
    pub agents: Vec<String>,
    /// The agent of jobs that name none.
    pub default_agent: String,
    /// The names agents answer to, by id.
    pub names: HashMap<String, String>,
    /// Which session is an agent's main one.
    pub main: MainSessions,
    /// Completed work.
    pub health: Health,
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no such job.
    #[error("there is no job {0}")]
    NotFound(String),
    /// It can't be done now; nothing was.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody knows whether it was done: to do it again might do it twice.
    #[error(
        "{0}: nobody knows whether this was done; look at the jobs and their runs before you \
             do it again"
    )]
    Unknown(String),
}

/// The answer to a change.
pub(super) type Reply<T> = RpcReplyPort<Result<T, ChangeError>>;

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CronStatus {
    /// Whether anything runs.
    pub enabled: bool,
    /// Jobs.
    pub jobs: usize,
    /// Runs under way, and runs that wait for them.
    pub running: usize,
    /// Runs under way.
    pub begun: usize,
    /// The next instant of any job.
    pub next: Option<Timestamp>,
}

/// Whether a run was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It was; its name.
    Run(String),
    /// It will be, behind others that are under way; its name.
    Queued(String),
    /// It is not due.
    NotDue,
    /// It runs already.
    Running,
}

/// What the scheduler is told.
pub enum CronMessage {
    /// Look who is due (from its own timer).
    Look(u64),
    /// Remove what is old (from its own timer).
    Upkeep,
    /// A run has ended (from its actor); a command counts until that is written.
    Ended(JobId, RunId, Box<Outcome>, Option<Running>),
    /// A new job, as JSON; with a fixed id where the JSON's own counts.
    Add(Value, Reply<Box<Job>>),
    /// Changes to a job, as JSON.
    Update(JobId, Value, Reply<Box<Job>>),
    /// Away with a job.
    Remove(JobId, Reply<bool>),
    /// Run a job now; only if it is due, with `false`.
    Run(JobId, bool, Reply<Begun>),
    /// One job.
    Get(JobId, RpcReplyPort<Option<Box<Job>>>),
    /// All jobs.
    List(RpcReplyPort<Vec<Job>>),
    /// How things stand.
    Status(RpcReplyPort<CronStatus>),
    /// A run has not begun, for nothing begins now (from its actor).
    NotBegun(JobId, RunId),
    /// Runs may begin again.
    GoOn,
}

/// See the module.
pub struct CronActor;

/// Its memory: a view of the store.
pub struct Scheduler {
    deps: CronDeps,
    book: Book,
    runs: Runs,
    /// Claimed, waiting for a place.
    queue: VecDeque<JobId>,
    /// Those of them that a life before has claimed: their actors may have told it of their ends.
    inherited: BTreeSet<JobId>,
    /// When actors of runs were last asked to go on, by the steady time.
    asked_at: Timestamp,
    /// Under way, since when by the time the machine has been awake: while it sleeps no turn and no
    /// command comes any further.
    running: BTreeMap<JobId, Timestamp>,
    /// How far the clock stood at the last look, or at a change since that worked out an instant.
    looked_at: Timestamp,
    timer: Option<Timer>,
    timers: u64,
    /// How far the history has been looked through for what is old.
    looked_through: Option<JobId>,
    /// When jobs without a next instant were last tried again, by the steady time.
    tried_at: Timestamp,
    /// When the oldest run of a job will be old.
    old_at: BTreeMap<JobId, Timestamp>,
}

struct Timer {
    number: u64,
    at: Timestamp,
    handle: JoinHandle<Result<(), ractor::MessagingErr<CronMessage>>>,
}

type Myself = ActorRef<CronMessage>;
type Outcomes<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for CronActor {
    type Msg = CronMessage;
    type State = Scheduler;
    type Arguments = CronDeps;

    async fn pre_start(&self, myself: Myself, deps: CronDeps) -> Outcomes<Scheduler> {
        deps.registry.register(NAME, &myself, Some(deps.health.clone()));
        // What a predecessor submitted is on disk behind this.
        deps.store.commit(Batch::new()).await?;
        let mut scheduler = Scheduler {
            runs: deps.registry.via(super::run::RUNS),
            book: Book::default(),
            queue: VecDeque::new(),
            inherited: BTreeSet::new(),
            asked_at: deps.clock.steady(),
            running: BTreeMap::new(),
            looked_at: deps.clock.now(),
            tried_at: deps.clock.steady(),
            timer: None,
            timers: 0,
            looked_through: None,
            old_at: BTreeMap::new(),
            deps,
        };
        scheduler.load().await?;
        // One before it may have ended between the commit of an announcement and telling of it.
        scheduler.deps.outbox.reread();
        crash_point("recover.cron_read");
        Ok(scheduler)
    }

    async fn post_start(&self, myself: Myself, scheduler: &mut Scheduler) -> Outcomes {
        myself.send_after(UPKEEP_EVERY, || CronMessage::Upkeep);
        scheduler.begin_waiting();
        scheduler.look(&myself).await
    }

    async fn handle(
        &self,
        myself: Myself,
        message: CronMessage,
        scheduler: &mut Scheduler,
    ) -> Outcomes {
        match message {
            // Sent by itself: not counted as queued.
            CronMessage::Look(number) => {
                if scheduler.timer.as_ref().is_some_and(|timer| timer.number == number) {
                    scheduler.timer = None;
                    scheduler.look(&myself).await?;
                }
            }
            CronMessage::Upkeep => {
                let is_over = scheduler.upkeep().await?;
                let pause = if is_over { UPKEEP_EVERY } else { UPKEEP_AGAIN };
                myself.send_after(pause, || CronMessage::Upkeep);
            }
            other => {
                scheduler.deps.health.taken();
                scheduler.take(&myself, other).await?;
            }
        }
        scheduler.deps.health.completed();
        Ok(())
    }
}

impl Scheduler {
    async fn take(&mut self, myself: &Myself, message: CronMessage) -> Outcomes {
        match message {
            CronMessage::Ended(job, run, outcome, held) => {
                self.ended(&job, run, *outcome).await?;
                // Until here a command counts as running: what follows it is written now.
                drop(held);
            }
            CronMessage::Add(job, reply) => answer(reply, self.add(&job).await)?,
            CronMessage::Update(id, patch, reply) => {
                answer(reply, self.update(&id, &patch).await)?;
            }
            CronMessage::Remove(id, reply) => answer(reply, self.remove(&id).await)?,
            CronMessage::Run(id, forced, reply) => answer(reply, self.run_now(&id, forced).await)?,
            // Who has asked may have left.
            CronMessage::Get(id, reply) => {
                drop(reply.send(self.book.get(&id).cloned().map(Box::new)));
            }
            CronMessage::List(reply) => drop(reply.send(self.book.iter().cloned().collect())),
            CronMessage::Status(reply) => drop(reply.send(self.status())),
            CronMessage::NotBegun(job, run) => self.put_back(job, run),
            CronMessage::GoOn => {
                self.fill_places();
                self.look(myself).await?;
            }
            CronMessage::Look(_) | CronMessage::Upkeep => {}
        }
        self.arm(myself);
        Ok(())
    }

    fn status(&self) -> CronStatus {
        CronStatus {
            enabled: self.deps.settings.enabled,
            jobs: self.book.len(),
            running: self.running.len() + self.queue.len(),
            begun: self.running.len(),
            next: self.book.next().filter(|_| self.deps.settings.enabled),
        }
    }

    /// The time, noted for the next look: a clock that is set back until then was seen ahead.
    fn time(&mut self) -> Timestamp {
        let now = self.deps.clock.now();
        self.looked_at = self.looked_at.max(now);
        now
    }

    /// Reads all jobs, brings those of the config up to date, and finds what was under way.
    async fn load(&mut self) -> Result<(), StoreError> {
        let now = self.time();
        for (_, job) in self.deps.store.scan::<Job>(&job_prefix())? {
            self.book.put(job);
        }
        self.declare(now).await?;
        let mut waiting: Vec<(Timestamp, JobId)> = Vec::new();
        let mut batch = Batch::new();
        let ids: Vec<JobId> = self.book.iter().map(|job| job.id.clone()).collect();
        for id in ids {
            let Some(mut job) = self.book.get(&id).cloned() else { continue };
            if let Some(run) = job.state.running {
                waiting.push((run.at, id));
            } else if job.spec.enabled && (was_lost(&job) || was_set_back(&job, now)) {
                job.spec.schedule.bring_back(job.updated_at, now);
                self.reschedule(&mut job, now)?;
                batch.put(super::record::job_key(&id), &job);
                self.book.put(job);
            }
        }
        self.deps.store.commit(batch).await?;
        waiting.sort();
        for (_, id) in waiting {
            self.inherited.insert(id.clone());
            self.queue.push_back(id);
        }
        Ok(())
    }

    /// Looks who is due, and sets the timer for the next look.
    async fn look(&mut self, myself: &Myself) -> Outcomes {
        if !self.deps.settings.enabled {
            // What a life before has claimed goes on all the same.
            self.ask_again();
            self.end_stuck().await?;
            self.arm(myself);
            return Ok(());
        }
        let now = self.deps.clock.now();
        if now.plus(DRIFT_MAX) < self.looked_at {
            self.set_back(now).await?;
        }
        self.looked_at = now;
        self.ask_again();
        self.end_stuck().await?;
        // Also what may not begin for a while: it waits with its claim, and does not become too late.
        if !self.deps.commands.has_ended() {
            self.claim_due(now).await?;
        }
        self.try_again(now).await?;
        self.arm(myself);
        Ok(())
    }

    /// The timer goes by the machine's own time, the next instant by the clock on the wall; both
    /// are compared again with every look.
    fn arm(&mut self, myself: &Myself) {
        let is_enabled = self.deps.settings.enabled;
        if !is_enabled && self.running.is_empty() {
            return;
        }
        let (now, steady) = (self.deps.clock.now(), self.deps.clock.steady());
        let may_begin = is_enabled && !self.deps.commands.is_closed();
        let pause = pause(self.book.next(), now, may_begin);
        let at = steady.plus(pause);
        if let Some(timer) = &self.timer {
            if timer.at <= at {
                return;
            }
            timer.handle.abort();
        }
        self.timers += 1;
        let number = self.timers;
        let handle = myself.send_after(pause, move || CronMessage::Look(number));
        self.timer = Some(Timer { number, at, handle });
    }
}

/// Whether it has no next instant, although nothing is known to be wrong with its schedule. Where
/// something is, it is tried again in its own time.
fn was_lost(job: &Job) -> bool {
    job.state.next.is_none() && job.state.schedule_errors == 0
}

/// Whether the clock stands before the moment in which the next instant was worked out.
fn was_set_back(job: &Job, now: Timestamp) -> bool {
    // One that runs once goes by its moment alone.
    !job.spec.schedule.is_once() && now.plus(DRIFT_MAX) < job.state.looked_at
}

/// A store that fails ends the scheduler; anything else is told to whoever asked.
fn answer<T: Send + 'static>(
    reply: Reply<T>,
    result: Result<Result<T, ChangeError>, StoreError>,
) -> Outcomes {
    let (told, failed) = match result {
        Ok(told) => (told, None),
        // Nothing was written. A full disk may refuse the flush behind the write.
        Err(error @ (StoreError::Conflict | StoreError::Busy)) => {
            (Err(ChangeError::Unavailable(error.to_string())), Some(error))
        }
        Err(error) => (Err(ChangeError::Unknown(error.to_string())), Some(error)),
    };
    // Who has asked may have left.
    drop(reply.send(told));
    failed.map_or(Ok(()), |error| Err(error.into()))
}
