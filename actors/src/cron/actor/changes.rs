//! Jobs are made, changed, removed, and run because a person says so.

use serde_json::Value;
use telson_supervision::dynamic::DynamicMessage;

use super::{Begun, ChangeError, Scheduler};
use crate::clock::Timestamp;
use crate::cron::consequence::unscheduled;
use crate::cron::event::Action;
use crate::cron::found::admitted;
use crate::cron::job::{Job, JobId, JobState, Run, RunId, Spec};
use crate::cron::plan::LATE_MAX;
use crate::cron::record::{
    Reap, command_prefix, job_key, ran_key, reap_key, run_key, run_prefix, spent_prefix,
};
use crate::cron::schedule::Schedule;
use crate::cron::target;
use crate::cron::wire::{read_declared, read_id, read_patch, read_spec};
use crate::inbox::{DedupeRecord, Fate};
use crate::message::SessionKey;
use crate::outbox::EntryRecord;
use crate::session::machine::Event as SessionEvent;
use crate::session::{Asker, SESSIONS, SessionMessage, Sessions};
use crate::store::{Batch, Expect, StoreError};

/// Most jobs: about a kilobyte of memory each.
const JOBS_MAX: usize = 100_000;
/// A moment that is past by more than this was not meant.
const PAST_MAX: std::time::Duration = std::time::Duration::from_mins(1);
/// Records removed by one commit.
const DELETES_MAX: usize = 500;

type Change<T> = Result<Result<T, ChangeError>, StoreError>;

impl Scheduler {
    pub(super) async fn add(&mut self, value: &Value) -> Change<Box<Job>> {
        let now = self.time();
        let read = read_id(value).and_then(|id| Ok((id, read_spec(value, now)?)));
        let (id, spec) = match read {
            Ok(read) => read,
            Err(wrong) => return Ok(Err(ChangeError::Invalid(wrong))),
        };
        let id = id.unwrap_or_else(|| self.new_id());
        if self.book.get(&id).is_some() {
            return Ok(Err(ChangeError::Invalid(format!("there is a job {id} already"))));
        }
        if self.book.len() >= JOBS_MAX {
            let text = format!("there are {JOBS_MAX} jobs already, and there can't be more");
            return Ok(Err(ChangeError::Invalid(text)));
        }
        if let Err(wrong) = self.check(&spec, now).and(self.check_unrun(&id, &spec)?) {
            return Ok(Err(ChangeError::Invalid(wrong)));
        }
        let mut job = Job {
            id,
            spec,
            declared: None,
            created_at: now,
            updated_at: now,
            state: JobState::default(),
        };
        self.schedule_first(&mut job, now);
        self.keep(&job).await?;
        self.deps.events.tell(Action::Added, &job, None);
        Ok(Ok(Box::new(job)))
    }

    pub(super) async fn update(&mut self, id: &JobId, patch: &Value) -> Change<Box<Job>> {
        let now = self.time();
        let Some(old) = self.book.get(id).cloned() else {
            return Ok(Err(ChangeError::NotFound(id.to_string())));
        };
        let only_switch =
            patch.as_object().is_some_and(|keys| keys.keys().all(|key| key == "enabled"));
        if old.declared.is_some() && !only_switch {
            let text = format!("the job {id} stands in the config (cron.jobs); change it there");
            return Ok(Err(ChangeError::Invalid(text)));
        }
        let spec = match read_patch(&old.spec, patch, now) {
            Ok(spec) => spec,
            Err(wrong) => return Ok(Err(ChangeError::Invalid(wrong))),
        };
        // Who only switches off a job whose agent is gone may do so.
        let is_handed_on = spec.agent != old.spec.agent;
        let agent = if is_handed_on { self.check_agent(&spec) } else { Ok(()) };
        if let Err(wrong) = agent.and_then(|()| self.check_target(&spec)) {
            return Ok(Err(ChangeError::Invalid(wrong)));
        }
        let is_moved = spec.schedule != old.spec.schedule || (spec.enabled && !old.spec.enabled);
        if is_moved
            && spec.enabled
            && let Err(wrong) = self.check(&spec, now).and(self.check_unrun(id, &spec)?)
        {
            return Ok(Err(ChangeError::Invalid(wrong)));
        }
        let mut job = Job { spec, updated_at: now, ..old };
        if !job.spec.enabled {
            job.state.next = None;
        } else if is_moved {
            job.state.errors = 0;
            job.state.schedule_errors = 0;
            job.state.disabled_because = None;
            self.schedule_first(&mut job, now);
        }
        self.keep(&job).await?;
        self.deps.events.tell(Action::Updated, &job, None);
        Ok(Ok(Box::new(job)))
    }

    pub(super) async fn remove(&mut self, id: &JobId) -> Change<bool> {
        let Some(job) = self.book.get(id).cloned() else { return Ok(Ok(false)) };
        if job.declared.is_some() {
            let text = format!("the job {id} stands in the config (cron.jobs); remove it there");
            return Ok(Err(ChangeError::Invalid(text)));
        }
        self.forget(&job).await?;
        Ok(Ok(true))
    }

    /// The job and its history are gone; what runs of it is stopped.
    async fn forget(&mut self, job: &Job) -> Result<(), StoreError> {
        let id = &job.id;
        let run: Option<Run> = match job.state.running {
            Some(running) => self.deps.store.get(&run_key(id, running))?,
            None => None,
        };
        let mut batch = Batch::new();
        batch.delete(job_key(id));
        for of_runs in [command_prefix(id), spent_prefix(id)] {
            for (begun, _) in self.deps.store.scan_raw(&of_runs)? {
                batch.delete(begun);
            }
        }
        self.note_ran(&mut batch, id)?;
        // Nobody will end its run any more, and its session goes all the same.
        let own = run.as_ref().and_then(|run| run.session.clone()).filter(target::is_of_a_run);
        if let Some(session) = own {
            let reap = Reap { at: self.deps.clock.now(), session };
            batch.put(reap_key(&reap), &reap);
        }
        self.deps.store.commit(batch).await?;
        self.book.take(id);
        // Whoever is stopped now starts again, and must find no job. It may wait for its turn, or for
        // room to begin one: nobody wants it any more.
        if let Some(running) = job.state.running {
            self.stop(id, running, run)?;
            self.end_actor(id);
        }
        // One that is made anew under this id waits for its own run.
        self.queue.retain(|waiting| waiting != id);
        self.inherited.remove(id);
        // Its place is free, whatever its run still says.
        if self.running.remove(id).is_some() {
            self.fill_places();
        }
        self.old_at.remove(id);
        self.deps.events.tell(Action::Removed, job, None);
        let runs = self.deps.store.scan_raw(&run_prefix(id))?;
        for chunk in runs.chunks(DELETES_MAX) {
            let mut batch = Batch::new();
            for (key, _) in chunk {
                batch.delete(key.clone());
            }
            self.deps.store.commit(batch).await?;
        }
        Ok(())
    }

    /// A job that is taken out and put back, or made again, does not run twice at one instant.
    fn note_ran(&self, batch: &mut Batch, id: &JobId) -> Result<(), StoreError> {
        let now = self.deps.clock.now();
        let last: Vec<(_, Run)> = self.deps.store.tail(&run_prefix(id), DELETES_MAX)?;
        let recent = last.into_iter().filter(|(_, run)| now.since(run.run.at) <= LATE_MAX);
        for (_, run) in recent.filter(|(_, run)| run.run.manual == 0) {
            put_ran(batch, id, run.run.at, now);
        }
        Ok(())
    }

    /// Stops what goes on of a run: the turn in its session, or what its actor has started.
    pub(super) fn stop(
        &self,
        id: &JobId,
        running: RunId,
        run: Option<Run>,
    ) -> Result<(), StoreError> {
        let Some(session) = run.and_then(|run| run.session) else {
            // What its actor has started ends with it.
            self.end_actor(id);
            return Ok(());
        };
        if !target::is_of_a_run(&session) {
            return self.stop_message(id, running, session);
        }
        let sessions: Sessions = self.deps.registry.via(SESSIONS);
        let stop = SessionMessage(SessionEvent::Stop(Asker::new(|_| ())));
        if sessions.cast(DynamicMessage::Dispatch(session, stop)).is_err() {
            tracing::debug!(job = %id, "sessions are restarting; its turn ends by itself");
        }
        Ok(())
    }

    /// Its next life finds nothing to do.
    pub(super) fn end_actor(&self, id: &JobId) {
        if self.runs.cast(DynamicMessage::Kill(id.clone())).is_err() {
            tracing::debug!(job = %id, "runs are restarting; they find no job any more");
        }
    }

    /// In a session of others only the run's own message is stopped.
    fn stop_message(
        &self,
        id: &JobId,
        running: RunId,
        session: SessionKey,
    ) -> Result<(), StoreError> {
        let Some(message) = admitted(&self.deps.store, &running.name(id))? else { return Ok(()) };
        let sessions: Sessions = self.deps.registry.via(SESSIONS);
        let stop = SessionMessage(SessionEvent::StopMessage(message, Asker::new(|_| ())));
        if sessions.cast(DynamicMessage::Dispatch(session, stop)).is_err() {
            tracing::debug!(job = %id, "sessions are restarting; its turn ends by itself");
        }
        Ok(())
    }

    pub(super) async fn run_now(&mut self, id: &JobId, forced: bool) -> Change<Begun> {
        let now = self.time();
        let Some(mut job) = self.book.get(id).cloned() else {
            return Ok(Err(ChangeError::NotFound(id.to_string())));
        };
        if !self.deps.settings.enabled {
            let text = "jobs do not run here: cron.enabled is false in the config";
            return Ok(Err(ChangeError::Unavailable(text.into())));
        }
        if self.deps.commands.is_closed() {
            let text = "the gateway is stopping or suspended; no job begins now";
            return Ok(Err(ChangeError::Unavailable(text.into())));
        }
        if job.state.running.is_some() {
            return Ok(Ok(Begun::Running));
        }
        if !forced && job.state.next.is_none_or(|next| next > now) {
            return Ok(Ok(Begun::NotDue));
        }
        let mut run = RunId { at: now, manual: 1 };
        while self.deps.store.contains(&run_key(id, run))? {
            run.manual += 1;
        }
        let mut batch = Batch::new();
        let record = self.claim(&mut batch, &mut job, run, now);
        batch.put(job_key(id), &job);
        self.deps.store.commit(batch).await?;
        self.claimed(job, Some(record));
        self.fill_places();
        let name = run.name(id);
        let has_begun = self.running.contains_key(id);
        Ok(Ok(if has_begun { Begun::Run(name) } else { Begun::Queued(name) }))
    }

    /// The jobs of the config: new ones are made, changed ones are changed, and what is not there any
    /// more goes. What was changed since by a person stays until the config says something else.
    pub(super) async fn declare(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let declared = self.deps.settings.declared.clone();
        let gone: Vec<Job> = self
            .book
            .iter()
            .filter(|job| job.declared.is_some())
            .filter(|job| !declared.iter().any(|(id, _)| *id == job.id))
            .cloned()
            .collect();
        for job in gone {
            self.forget(&job).await?;
        }
        for (id, value) in declared {
            let spec = match read_declared(&value) {
                Ok(spec) => spec,
                Err(wrong) => {
                    tracing::error!(job = %id, "a job of the config is left out: {wrong}");
                    continue;
                }
            };
            let known = self.book.get(&id).cloned();
            if known.as_ref().is_some_and(|job| job.declared.as_deref() == Some(&spec)) {
                continue;
            }
            let mut job = known.unwrap_or_else(|| Job {
                id: id.clone(),
                spec: spec.clone(),
                declared: None,
                created_at: now,
                updated_at: now,
                state: JobState::default(),
            });
            let is_moved = job.spec.schedule != spec.schedule || job.state.next.is_none();
            (job.declared, job.spec, job.updated_at) = (Some(Box::new(spec.clone())), spec, now);
            // Whoever changes it there looks after it as one who changes it here.
            job.state.disabled_because = None;
            (job.state.errors, job.state.schedule_errors) = (0, 0);
            let (mut batch, mut entries) = (Batch::new(), Vec::new());
            if !job.spec.enabled {
                job.state.next = None;
            } else if is_moved {
                self.schedule_first(&mut job, now);
                self.leave_past(&mut batch, &mut job, now, &mut entries)?;
            }
            self.keep_with(batch, &job).await?;
            self.deps.outbox.written(entries);
        }
        Ok(())
    }

    /// A moment of the config that was long past when the job was first seen with it is let go. One
    /// that has passed while the job waited for it is made up for, and does not come here.
    fn leave_past(
        &self,
        batch: &mut Batch,
        job: &mut Job,
        now: Timestamp,
        entries: &mut Vec<EntryRecord>,
    ) -> Result<(), StoreError> {
        let Schedule::At(at) = job.spec.schedule else { return Ok(()) };
        if now.since(at) <= LATE_MAX {
            return Ok(());
        }
        job.state.next = None;
        if job.state.floor < Some(at) && !self.has_run(&job.id, at)? {
            self.miss(batch, job, at, now, entries)?;
        }
        Ok(())
    }

    async fn keep(&mut self, job: &Job) -> Result<(), StoreError> {
        self.keep_with(Batch::new(), job).await
    }

    async fn keep_with(&mut self, mut batch: Batch, job: &Job) -> Result<(), StoreError> {
        if job.created_at == job.updated_at && self.book.get(&job.id).is_none() {
            batch.expect(Expect::Absent(job_key(&job.id)));
        }
        batch.put(job_key(&job.id), job);
        self.deps.store.commit(batch).await?;
        self.book.put(job.clone());
        Ok(())
    }

    /// The first instant of a new schedule: the second that has begun still counts for an expression.
    fn schedule_first(&self, job: &mut Job, now: Timestamp) {
        job.state.looked_at = now;
        let (schedule, zone) = (&job.spec.schedule, &self.deps.settings.zone);
        match schedule.next_after(schedule.from(now), job.id.as_str(), zone) {
            Ok(first) => job.state.next = first.filter(|_| job.spec.enabled),
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "no first instant of a job");
                unscheduled(job);
            }
        }
    }

    fn check_target(&self, spec: &Spec) -> Result<(), String> {
        target::check_target(spec, &self.deps.default_agent, &self.deps.main)
    }

    fn check(&self, spec: &Spec, now: Timestamp) -> Result<(), String> {
        self.check_target(spec)?;
        let zone = &self.deps.settings.zone;
        spec.schedule.check(now, zone).map_err(|error| format!("schedule: {error}"))?;
        if let Schedule::At(at) = spec.schedule
            && now.since(at) > PAST_MAX
        {
            return Err("schedule.at is past".into());
        }
        self.check_agent(spec)
    }

    /// One that runs once, and has, would wait for ever.
    fn check_unrun(&self, id: &JobId, spec: &Spec) -> Result<Result<(), String>, StoreError> {
        let Schedule::At(at) = spec.schedule else { return Ok(Ok(())) };
        Ok(if self.has_run(id, at)? {
            Err(format!(
                "schedule.at: the job {id} has run at this moment already; name another moment"
            ))
        } else {
            Ok(())
        })
    }

    fn check_agent(&self, spec: &Spec) -> Result<(), String> {
        match &spec.agent {
            Some(agent) if !self.deps.agents.contains(agent) => {
                Err(format!("agentId: there is no agent {agent:?}"))
            }
            _ => Ok(()),
        }
    }

    fn new_id(&self) -> JobId {
        let (high, low) = (self.deps.dice.next(), self.deps.dice.next());
        let text = format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff,
        );
        // It is not empty and not long.
        JobId::new(&text).unwrap_or_else(|| self.new_id())
    }
}

/// Notes that a job that goes has run at an instant.
pub(super) fn put_ran(batch: &mut Batch, id: &JobId, at: Timestamp, now: Timestamp) {
    let record = DedupeRecord { at: now, fate: Fate::History, text: None };
    batch.put(ran_key(id, at), &record);
}
