//! The end of a run: one commit with everything that follows from it.

use std::time::Duration;

use telson_supervision::dynamic::DynamicMessage;

use super::Scheduler;
use crate::clock::Timestamp;
use crate::cron::announce::{Announcement, announcement, destination};
use crate::cron::consequence::{self, Ended};
use crate::cron::event::Action;
use crate::cron::job::{
    AlertRule, Alerts, Delivered, Job, JobId, LastRun, Payload, Run, RunEnd, RunId,
};
use crate::cron::last;
use crate::cron::outcome::Outcome;
use crate::cron::record::{Reap, job_key, reap_key, run_key};
use crate::message::{AccountKey, Destination, SessionKey};
use crate::outbox::{Draft, EntryRecord};
use crate::reply::Speaker;
use crate::store::{Batch, Expect, StoreError};

/// Characters of an answer that the history keeps.
const SUMMARY_CHARS_MAX: usize = 2000;
/// A run that is under way for longer, and longer than its own time, is given up.
const STUCK_AFTER: Duration = Duration::from_hours(2);
/// Time for a turn that is over its own to be stopped, before it counts as stuck.
const STOPPING_MAX: Duration = Duration::from_mins(10);

impl Scheduler {
    /// Ends a run that is under way; whoever reports one that is not is told nothing.
    pub(super) async fn ended(
        &mut self,
        id: &JobId,
        run_id: RunId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let Some(mut job) = self.book.get(id).cloned() else {
            // It was removed meanwhile.
            self.running.remove(id);
            self.fill_places();
            return Ok(());
        };
        if job.state.running != Some(run_id) {
            return Ok(());
        }
        let now = self.deps.clock.now();
        let key = run_key(id, run_id);
        let mut run: Run = match self.deps.store.get(&key)? {
            Some(run) => run,
            // Damaged and set aside: what is known of it is in the job.
            None => self.claim(&mut Batch::new(), &mut job, run_id, now),
        };
        let mut batch = Batch::new();
        let (delivery, mut entries) = self.announce(&mut batch, &job, &run, &outcome, now)?;
        let began = job.state.running_since.unwrap_or(now);
        let last = LastRun {
            run: run_id,
            at: began,
            status: outcome.status,
            error: outcome.error.clone(),
            duration_ms: u64::try_from(now.since(began).as_millis()).unwrap_or(u64::MAX),
            delivery: delivery.clone(),
        };
        self.reschedule(&mut job, now)?;
        let natural = job.state.next;
        let rule = self.alert_rule(&job);
        let ended = Ended { at: now, last, may_pass: outcome.may_pass };
        let follows = consequence::ended(&mut job, ended, natural, rule.as_ref());
        if let Some(text) = &follows.tell {
            entries.extend(self.tell(&mut batch, &job, &run, rule.as_ref(), text, now)?);
        }
        let exchange = outcome.exchange.as_deref();
        run.end = Some(RunEnd {
            at: now,
            status: outcome.status,
            error: outcome.error,
            summary: exchange.map(|turn| head(&turn.answer)).unwrap_or_default(),
            delivery,
            model: exchange.map(|turn| turn.model.clone()).unwrap_or_default(),
            tokens: exchange.map_or((0, 0), |turn| (turn.usage.input, turn.usage.output)),
            next: job.state.next,
        });
        if follows.remove && run.session.is_none() {
            // Nobody would find it any more, and nobody would forget it.
            batch.delete(key);
        } else {
            batch.put(key, &run);
        }
        if let Some(session) = run.session.clone() {
            let reap = Reap { at: now, session };
            batch.put(reap_key(&reap), &reap);
        }
        let of_job = job_key(id);
        batch.expect(Expect::Present(of_job.clone()));
        if follows.remove {
            batch.delete(of_job);
        } else {
            batch.put(of_job, &job);
        }
        self.deps.store.commit(batch).await?;
        self.deps.outbox.written(entries);
        self.running.remove(id);
        self.deps.events.tell(Action::Finished, &job, Some(&run));
        if follows.remove {
            self.book.take(id);
            self.deps.events.tell(Action::Removed, &job, None);
        } else {
            self.book.put(job);
        }
        self.fill_places();
        Ok(())
    }

    /// Gives up runs whose actors should have ended them long ago.
    pub(super) async fn end_stuck(&mut self) -> Result<(), StoreError> {
        let now = self.deps.clock.steady();
        let stuck: Vec<(JobId, Option<RunId>)> = self
            .running
            .iter()
            .filter_map(|(id, since)| {
                let job = self.book.get(id)?;
                (now.since(*since) > self.stuck_after(job)).then(|| (id.clone(), job.state.running))
            })
            .collect();
        for (id, run) in stuck {
            tracing::error!(job = %id, "a run is stuck and given up");
            if let Some(run) = run {
                let outcome = Outcome::failed("it was stuck and is given up", false);
                self.ended(&id, run, outcome).await?;
            }
            // Its next life finds nothing to do.
            if self.runs.cast(DynamicMessage::Kill(id)).is_err() {
                tracing::debug!("runs are not up");
            }
        }
        Ok(())
    }

    fn stuck_after(&self, job: &Job) -> Duration {
        let limit = match &job.spec.payload {
            Payload::AgentTurn { timeout_seconds: Some(seconds), .. } if *seconds > 0 => {
                Duration::from_secs(*seconds)
            }
            Payload::AgentTurn { .. } => self.deps.settings.turn_max,
            Payload::SystemEvent { .. } => Duration::ZERO,
        };
        STUCK_AFTER.max(limit + STOPPING_MAX)
    }

    fn alert_rule(&self, job: &Job) -> Option<AlertRule> {
        match &job.spec.alerts {
            Alerts::Shared => self.deps.settings.alert.clone(),
            Alerts::Off => None,
            Alerts::Own(rule) => Some(rule.clone()),
        }
    }

    /// The announcement of an answer, if there is one to be made.
    fn announce(
        &self,
        batch: &mut Batch,
        job: &Job,
        run: &Run,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(Delivered, Vec<EntryRecord>), StoreError> {
        let (Some(turn), Some(session)) = (&outcome.exchange, &run.session) else {
            return Ok((Delivered::NotRequested, Vec::new()));
        };
        let agent = self.agent(job);
        let (last, accounts) = (self.last_place(agent)?, self.accounts());
        let found = announcement(job, &turn.answer, &turn.steps, last.as_ref(), &accounts);
        let to = match found {
            Announcement::Not(why) => return Ok((why, Vec::new())),
            Announcement::To(to) => to,
        };
        let name = self.deps.names.get(agent).cloned();
        let draft = Draft {
            session: session.clone(),
            turn: turn.turn,
            to: to.clone(),
            text: turn.answer.clone(),
            speaker: Some(Speaker { model: turn.model.clone(), name }),
        };
        let entries = self.deps.outbox.add(batch, &draft, now)?;
        let numbers = entries.iter().map(|entry| entry.id.0).collect();
        Ok((Delivered::Written { to, entries: numbers }, entries))
    }

    /// Tells whoever is told that a job fails; a log line always does.
    fn tell(
        &self,
        batch: &mut Batch,
        job: &Job,
        run: &Run,
        rule: Option<&AlertRule>,
        text: &str,
        now: Timestamp,
    ) -> Result<Vec<EntryRecord>, StoreError> {
        tracing::warn!(job = %job.id, "{text}");
        let agent = self.agent(job);
        let own = job.spec.delivery.as_ref().map(|delivery| delivery.to.clone());
        let place = rule.and_then(|rule| rule.to.clone()).or(own).unwrap_or_default();
        let to = match destination(&place, self.last_place(agent)?.as_ref(), &self.accounts()) {
            Ok(to) => to,
            Err(why) => {
                tracing::warn!(job = %job.id, "nobody could be told: {why}");
                return Ok(Vec::new());
            }
        };
        let session = run.session.clone().or_else(|| self.main_session(agent));
        let session = session.unwrap_or_else(SessionKey::global);
        let draft = Draft { session, turn: 0, to, text: text.to_owned(), speaker: None };
        self.deps.outbox.add(batch, &draft, now)
    }

    fn agent<'a>(&'a self, job: &'a Job) -> &'a str {
        job.spec.agent.as_ref().unwrap_or(&self.deps.default_agent)
    }

    fn main_session(&self, agent: &str) -> Option<SessionKey> {
        SessionKey::main(agent, &self.deps.main_key).ok()
    }

    fn last_place(&self, agent: &str) -> Result<Option<Destination>, StoreError> {
        match self.main_session(agent) {
            Some(session) => last::of_main(&self.deps.store, &session),
            None => Ok(None),
        }
    }

    fn accounts(&self) -> Vec<AccountKey> {
        self.deps.outbox.accounts().cloned().collect()
    }
}

fn head(answer: &str) -> String {
    answer.chars().take(SUMMARY_CHARS_MAX).collect()
}
