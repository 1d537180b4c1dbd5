//! What others hold to see and change jobs. Cheap to clone.

use jiff::tz::TimeZone;
use ractor::RpcReplyPort;
use serde_json::Value;
use telson_supervision::{Registry, Via};

use super::actor::{Begun, ChangeError, CronMessage, CronStatus, NAME, Reply};
use super::fate::Fates;
use super::job::{Job, JobId, Run};
use super::main_session::MainSessions;
use super::record::{Reap, reap_key, run_prefix};
use crate::clock::Timestamp;
use crate::message::SessionKey;
use crate::store::{Batch, Store, StoreError};

/// The jobs of an engine.
#[derive(Clone)]
pub struct Cron {
    scheduler: Via<CronMessage>,
    store: Store,
    default_agent: String,
    main: MainSessions,
    zone: TimeZone,
}

impl Cron {
    /// The jobs of the engine of this registry and store.
    pub fn new(
        registry: &Registry,
        store: Store,
        default_agent: &str,
        main: MainSessions,
        zone: TimeZone,
    ) -> Self {
        let default_agent = default_agent.to_owned();
        Self { scheduler: registry.via(NAME), store, default_agent, main, zone }
    }

    /// The agent of jobs that name none.
    pub fn default_agent(&self) -> &str {
        &self.default_agent
    }

    /// An agent's main session, where events are told.
    pub fn main_session(&self, agent: &str) -> SessionKey {
        self.main.of(agent)
    }

    /// The next instants of a job, at most so many.
    pub fn upcoming(&self, job: &Job, count: usize) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let mut next = job.state.next.filter(|_| job.spec.enabled);
        while let Some(instant) = next.filter(|_| found.len() < count) {
            found.push(instant);
            let id = job.id.as_str();
            next = job.spec.schedule.next_after(instant, id, &self.zone).ok().flatten();
        }
        found
    }

    /// Makes a job of its JSON. Durable when it returns.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn add(&self, job: Value) -> Result<Job, ChangeError> {
        self.change_once(|reply| CronMessage::Add(job, reply)).await.map(|job| *job)
    }

    /// Changes a job, key by key. Durable when it returns.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn update(&self, id: &JobId, patch: Value) -> Result<Job, ChangeError> {
        let id = id.clone();
        self.change(|reply| CronMessage::Update(id, patch, reply)).await.map(|job| *job)
    }

    /// Removes a job with its history and stops what runs of it; `false` if there is none.
    ///
    /// # Errors
    /// It stands in the config.
    pub async fn remove(&self, id: &JobId) -> Result<bool, ChangeError> {
        let id = id.clone();
        self.change(|reply| CronMessage::Remove(id, reply)).await
    }

    /// Runs a job now, beside its schedule; with `forced` also if it is not due.
    ///
    /// # Errors
    /// There is no such job, or jobs do not run here.
    pub async fn run(&self, id: &JobId, forced: bool) -> Result<Begun, ChangeError> {
        let id = id.clone();
        self.change_once(|reply| CronMessage::Run(id, forced, reply)).await
    }

    /// One job.
    ///
    /// # Errors
    /// The scheduler is restarting.
    pub async fn get(&self, id: &JobId) -> Result<Option<Job>, ChangeError> {
        let id = id.clone();
        let found = self.ask(|reply| CronMessage::Get(id, reply)).await?;
        Ok(found.map(|job| *job))
    }

    /// All jobs, by id.
    ///
    /// # Errors
    /// The scheduler is restarting.
    pub async fn list(&self) -> Result<Vec<Job>, ChangeError> {
        self.ask(CronMessage::List).await
    }

    /// How things stand.
    ///
    /// # Errors
    /// The scheduler is restarting.
    pub async fn status(&self) -> Result<CronStatus, ChangeError> {
        self.ask(CronMessage::Status).await
    }

    /// Runs may begin again that could not for a while.
    pub fn go_on(&self) {
        if self.scheduler.cast(CronMessage::GoOn).is_err() {
            tracing::debug!("the scheduler is restarting; it looks what is due by itself");
        }
    }

    /// The runs of a job, the oldest first. Blocks its thread while it reads, at most 2,000 records.
    ///
    /// # Errors
    /// What the store says.
    pub fn runs(&self, id: &JobId) -> Result<Vec<Run>, StoreError> {
        let runs: Vec<(_, Run)> = self.store.scan(&run_prefix(id))?;
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// Has a session that nobody comes back to removed like that of an isolated run: when
    /// `cron.sessionRetention` has passed. Becomes durable with the next thing that does.
    ///
    /// # Errors
    /// What the store says.
    pub fn forget_later(&self, session: &SessionKey, now: Timestamp) -> Result<(), StoreError> {
        let reap = Reap { at: now, session: session.clone() };
        let mut batch = Batch::new();
        batch.put(reap_key(&reap), &reap);
        self.store.submit_unsynced(batch, |_| ())
    }

    /// Asks what became of announcements. Blocks its thread while it reads.
    pub fn fates(&self) -> Fates {
        Fates::new(self.store.clone())
    }

    async fn change<T: Send + 'static>(
        &self,
        message: impl FnOnce(Reply<T>) -> CronMessage,
    ) -> Result<T, ChangeError> {
        self.ask(message).await?
    }

    /// The same for what does something else when it is done twice.
    async fn change_once<T: Send + 'static>(
        &self,
        message: impl FnOnce(Reply<T>) -> CronMessage,
    ) -> Result<T, ChangeError> {
        let lost = || ChangeError::Unknown("the scheduler has restarted meanwhile".into());
        self.asked(message, lost).await?
    }

    async fn ask<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> CronMessage,
    ) -> Result<T, ChangeError> {
        self.asked(message, absent).await
    }

    /// `lost` is said where the scheduler has taken the message and not answered.
    async fn asked<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> CronMessage,
        lost: impl FnOnce() -> ChangeError,
    ) -> Result<T, ChangeError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.scheduler.cast(message(sender.into())).map_err(|_| absent())?;
        receiver.await.map_err(|_| lost())
    }
}

fn absent() -> ChangeError {
    ChangeError::Unavailable("the scheduler is restarting; try again".into())
}
