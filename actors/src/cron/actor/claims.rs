//! Claiming what is due, and starting it.

use std::time::Duration;

use telson_supervision::dynamic::DynamicMessage;

use super::Scheduler;
use crate::clock::Timestamp;
use crate::crash_point::crash_point;
use crate::cron::consequence::{given_up, missed, unscheduled};
use crate::cron::event::Action;
use crate::cron::job::{Delivered, Job, JobId, Run, RunEnd, RunId, Status, Task};
use crate::cron::plan::{Due, Look, base, due};
use crate::cron::record::{job_key, ran_key, run_key};
use crate::cron::run::RunMessage;
use crate::cron::target;
use crate::message::SessionKey;
use crate::outbox::EntryRecord;
use crate::store::{Batch, Expect, StoreError};

/// Jobs claimed by one commit.
const CLAIMS_MAX: usize = 256;
/// Instants that have run already, looked through for one that has not.
const CLAIMED_MAX: usize = 4096;
/// How often actors of runs are asked again.
const ASK_EVERY: Duration = Duration::from_mins(1);
/// Pause between two tries to work out the next instant of a job.
const TRY_EVERY: Duration = Duration::from_mins(1);

const MISSED: &str = "the gateway was not running, or the machine asleep, at this instant; the job \
                      goes on at its next one";

impl Scheduler {
    /// Claims every job whose instant has come: one commit for many of them, each with its run.
    pub(super) async fn claim_due(&mut self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let ids = self.book.due(now, CLAIMS_MAX);
            if ids.is_empty() {
                break;
            }
            let (mut batch, mut jobs, mut entries) = (Batch::new(), Vec::new(), Vec::new());
            for id in ids {
                let Some(mut job) = self.book.get(&id).cloned() else { continue };
                let run = self.claim_if_due(&mut batch, &mut job, now, &mut entries)?;
                batch.put(job_key(&id), &job);
                jobs.push((job, run));
            }
            crash_point("cron.before_claim");
            // A conflict would mean that somebody else has claimed: read everything again.
            self.deps.store.commit(batch).await?;
            crash_point("cron.after_claim");
            self.deps.outbox.written(entries);
            for (job, run) in jobs {
                self.claimed(job, run);
            }
        }
        self.fill_places();
        Ok(())
    }

    /// Notes what is durable now.
    pub(super) fn claimed(&mut self, job: Job, run: Option<Run>) {
        let id = job.id.clone();
        match &run {
            Some(run) if run.end.is_none() => self.queue.push_back(id),
            Some(run) => self.deps.events.tell(Action::Finished, &job, Some(run)),
            None => {}
        }
        self.book.put(job);
    }

    fn claim_if_due(
        &self,
        batch: &mut Batch,
        job: &mut Job,
        now: Timestamp,
        entries: &mut Vec<EntryRecord>,
    ) -> Result<Option<Run>, StoreError> {
        let Some(next) = job.state.next else { return Ok(None) };
        let look = Look { next, now, catches_up: job.catches_up() };
        let (id, zone) = (job.id.clone(), &self.deps.settings.zone);
        let decided = due(look, |after| job.spec.schedule.next_after(after, id.as_str(), zone));
        let run = match decided {
            // It has run in an earlier life of this clock.
            Ok(Due::Run(at) | Due::Missed(at))
                if job.state.floor >= Some(at) || self.has_run(&id, at)? =>
            {
                None
            }
            Ok(Due::Run(at)) => Some(self.claim(batch, job, RunId::scheduled(at), now)),
            Ok(Due::Missed(at)) => Some(self.miss(batch, job, at, now, entries)?),
            // A schedule that can't be read is dealt with below.
            Ok(Due::Wait) | Err(_) => None,
        };
        self.reschedule(job, now)?;
        Ok(run)
    }

    /// An instant that is let go: it stands in the history, and never runs. Whoever wants to hear of
    /// such things is told by the `entries` of the same commit.
    pub(super) fn miss(
        &self,
        batch: &mut Batch,
        job: &mut Job,
        at: Timestamp,
        now: Timestamp,
        entries: &mut Vec<EntryRecord>,
    ) -> Result<Run, StoreError> {
        let run = missed_run(job, at, now);
        let (key, rule) = (run_key(&job.id, run.run), self.alert_rule(job));
        batch.expect(Expect::Absent(key.clone())).put(key, &run);
        job.state.runs = job.state.runs.saturating_add(1);
        if let Some(text) = missed(job, run.run, now, MISSED, rule.as_ref()) {
            entries.extend(self.tell(batch, job, Some(&run), rule.as_ref(), &text, now)?);
        }
        Ok(run)
    }

    pub(super) fn has_run(&self, id: &JobId, at: Timestamp) -> Result<bool, StoreError> {
        let store = &self.deps.store;
        Ok(store.contains(&run_key(id, RunId::scheduled(at)))?
            || store.contains(&ran_key(id, at))?)
    }

    /// The claim: this run exists once, from this commit on.
    pub(super) fn claim(
        &self,
        batch: &mut Batch,
        job: &mut Job,
        run: RunId,
        now: Timestamp,
    ) -> Run {
        let agent = job.spec.agent.as_ref().unwrap_or(&self.deps.default_agent);
        let session = match &job.spec.target {
            Some(named) => target::session(named, agent, &self.deps.main).ok(),
            None => SessionKey::cron_run(agent, job.id.as_str(), &run.short()).ok(),
        };
        let record = Run {
            job: job.id.clone(),
            job_name: job.spec.name.clone(),
            run,
            claimed_at: now,
            task: Task::of(&job.spec.payload),
            session: session.filter(|_| job.asks_agent()),
            end: None,
        };
        let key = run_key(&job.id, run);
        batch.expect(Expect::Absent(key.clone())).put(key, &record);
        job.state.runs = job.state.runs.saturating_add(1);
        job.state.running = Some(run);
        job.state.running_since = Some(now);
        record
    }

    /// The first instant that comes and has not run. Nothing can be worked out from a schedule that
    /// can't be read: it is [tried again](Self::try_again).
    pub(super) fn reschedule(&self, job: &mut Job, now: Timestamp) -> Result<(), StoreError> {
        job.state.looked_at = now;
        let zone = &self.deps.settings.zone;
        let mut after = base(now, job.state.floor);
        if job.spec.schedule.is_once() {
            // An instant that is past still runs once: that it has run stands in its history.
            after = Timestamp(i64::MIN);
        }
        for _ in 0..CLAIMED_MAX {
            match job.spec.schedule.next_after(after, job.id.as_str(), zone) {
                Ok(Some(next)) if self.has_run(&job.id, next)? || job.state.floor >= Some(next) => {
                    after = next;
                }
                Ok(next) => {
                    job.state.schedule_errors = 0;
                    job.state.next = next;
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "no next instant of a job");
                    unscheduled(job);
                    return Ok(());
                }
            }
        }
        job.state.next = None;
        Ok(())
    }

    /// Looks again for the next instants of jobs that have none because their schedules could not be
    /// worked out. After some tries such a job is switched off, and whoever is told of it is told.
    pub(super) async fn try_again(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let steady = self.deps.clock.steady();
        if steady.since(self.tried_at) < TRY_EVERY {
            return Ok(());
        }
        self.tried_at = steady;
        let ids: Vec<JobId> = self.book.lost().take(CLAIMS_MAX).cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let (mut batch, mut jobs, mut entries) = (Batch::new(), Vec::new(), Vec::new());
        for id in ids {
            let Some(mut job) = self.book.get(&id).cloned() else { continue };
            self.reschedule(&mut job, now)?;
            let wrong = job.spec.schedule.next_after(now, id.as_str(), &self.deps.settings.zone);
            let wrong = wrong.err().map(|error| error.to_string()).unwrap_or_default();
            if let Some(text) = given_up(&mut job, &wrong) {
                let rule = self.alert_rule(&job);
                entries.extend(self.tell(&mut batch, &job, None, rule.as_ref(), &text, now)?);
            }
            batch.put(job_key(&id), &job);
            jobs.push(job);
        }
        self.deps.store.commit(batch).await?;
        self.deps.outbox.written(entries);
        for job in jobs {
            self.deps.events.tell(Action::Updated, &job, None);
            self.book.put(job);
        }
        Ok(())
    }

    /// The clock was set back: every job goes on with its first instant that has not run.
    pub(super) async fn set_back(&mut self, now: Timestamp) -> Result<(), StoreError> {
        tracing::warn!("the clock was set back; jobs go on with instants that have not run yet");
        let ids: Vec<JobId> = self.book.iter().map(|job| job.id.clone()).collect();
        for chunk in ids.chunks(CLAIMS_MAX) {
            let (mut batch, mut jobs) = (Batch::new(), Vec::new());
            for id in chunk {
                let Some(mut job) = self.book.get(id).cloned() else { continue };
                if job.spec.enabled && !job.spec.schedule.is_once() {
                    job.spec.schedule.bring_back(job.updated_at, now);
                    self.reschedule(&mut job, now)?;
                    batch.put(job_key(id), &job);
                    jobs.push(job);
                }
            }
            self.deps.store.commit(batch).await?;
            for job in jobs {
                self.book.put(job);
            }
        }
        Ok(())
    }

    /// Starts as many claimed runs as there are places.
    pub(super) fn fill_places(&mut self) {
        if self.deps.commands.is_closed() {
            return;
        }
        while self.running.len() < self.deps.settings.runs_max.max(1) {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(job) = self.book.get(&id).filter(|job| job.state.running.is_some()) else {
                continue;
            };
            if let Some(run) = job.state.running {
                let shown = Run {
                    job: id.clone(),
                    job_name: job.spec.name.clone(),
                    run,
                    claimed_at: job.state.running_since.unwrap_or(run.at),
                    task: Task::of(&job.spec.payload),
                    session: None,
                    end: None,
                };
                self.deps.events.tell(Action::Started, job, Some(&shown));
            }
            self.running.insert(id.clone(), self.deps.clock.awake());
            let is_inherited = self.inherited.remove(&id);
            self.wake_run(id, if is_inherited { RunMessage::GoOn } else { RunMessage::Begin });
        }
    }

    fn wake_run(&self, id: JobId, message: RunMessage) {
        if self.runs.cast(DynamicMessage::Dispatch(id, message)).is_err() {
            // They come before the scheduler in the tree, so it starts again behind them.
            tracing::debug!("runs are not up; claimed runs begin when they are");
        }
    }

    /// Asks actors of runs that have been under way for a while. One that goes on reads this behind
    /// its end, one that is gone begins again, and one whose report was lost tells it once more.
    pub(super) fn ask_again(&mut self) {
        let (steady, awake) = (self.deps.clock.steady(), self.deps.clock.awake());
        if steady.since(self.asked_at) < ASK_EVERY {
            return;
        }
        self.asked_at = steady;
        for (id, since) in &self.running {
            if awake.since(*since) >= ASK_EVERY {
                self.wake_run(id.clone(), RunMessage::GoOn);
            }
        }
    }

    /// A run that could not begin waits again, before all others.
    pub(super) fn put_back(&mut self, id: JobId, run: RunId) {
        // One that has been removed since says nothing of the next.
        let is_its = self.book.get(&id).is_some_and(|job| job.state.running == Some(run));
        if is_its && self.running.remove(&id).is_some() {
            self.queue.push_front(id);
        }
        // What was in its way may be gone by now.
        self.fill_places();
    }

    /// What was claimed by an earlier life begins, whatever the settings say about new runs.
    pub(super) fn begin_waiting(&mut self) {
        self.fill_places();
    }
}

/// The run that did not take place.
fn missed_run(job: &Job, at: Timestamp, now: Timestamp) -> Run {
    let end = RunEnd {
        at: now,
        status: Status::Skipped,
        error: Some(MISSED.to_owned()),
        summary: String::new(),
        delivery: Delivered::NotRequested,
        model: String::new(),
        tokens: (0, 0),
        next: None,
    };
    Run {
        job: job.id.clone(),
        job_name: job.spec.name.clone(),
        run: RunId::scheduled(at),
        claimed_at: now,
        task: Task::of(&job.spec.payload),
        session: None,
        end: Some(end),
    }
}
