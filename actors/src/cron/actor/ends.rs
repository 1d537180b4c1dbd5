//! The end of a run: one commit with everything that follows from it.

use std::time::Duration;

use super::Scheduler;
use super::changes::put_ran;
use crate::channel::webhook;
use crate::clock::Timestamp;
use crate::crash_point::crash_point;
use crate::cron::announce::{Announcement, announcement, destination, webhook_of};
use crate::cron::command;
use crate::cron::consequence::{self, Ended};
use crate::cron::event::Action;
use crate::cron::job::{
    AlertRule, Alerts, Delivered, Job, JobId, LastRun, Payload, Run, RunEnd, RunId, Status,
};
use crate::cron::last;
use crate::cron::outcome::Outcome;
use crate::cron::record::{Reap, command_key, job_key, reap_key, run_key, spent_key};
use crate::cron::target;
use crate::cron::wire::{of_alert, of_run};
use crate::message::{AccountKey, Destination, SessionKey};
use crate::outbox::{Draft, EntryRecord};
use crate::reply::Speaker;
use crate::store::{Batch, Expect, StoreError};
use crate::tool::core::sent_by_turn;

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
        let now = self.time();
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
            entries.extend(self.tell(&mut batch, &job, Some(&run), rule.as_ref(), text, now)?);
        }
        run.end = Some(RunEnd { delivery, next: job.state.next, ..end_of(&outcome, now) });
        let own = run.session.clone().filter(target::is_of_a_run);
        // Whatever the job is by now.
        batch.delete(command_key(id, run_id)).delete(spent_key(id, run_id));
        if follows.remove && own.is_none() {
            // Nobody would find it any more, and nobody would forget it.
            batch.delete(key);
        } else {
            batch.put(key, &run);
        }
        if let Some(session) = own {
            let reap = Reap { at: now, session };
            batch.put(reap_key(&reap), &reap);
        }
        let of_job = job_key(id);
        batch.expect(Expect::Present(of_job.clone()));
        if follows.remove {
            batch.delete(of_job);
            put_ran(&mut batch, id, run_id.at, now);
        } else {
            batch.put(of_job, &job);
        }
        crash_point("cron.before_end");
        self.deps.store.commit(batch).await?;
        crash_point("cron.after_end");
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

    /// Gives up runs whose actors should have ended them long ago, and stops what goes on of them. An
    /// event is never given up.
    pub(super) async fn end_stuck(&mut self) -> Result<(), StoreError> {
        let now = self.deps.clock.awake();
        let stuck: Vec<(JobId, Option<RunId>)> = self
            .running
            .iter()
            .filter_map(|(id, since)| {
                let job = self.book.get(id)?;
                (now.since(*since) > self.stuck_after(job)).then(|| (id.clone(), job.state.running))
            })
            .collect();
        for (id, run) in stuck {
            if self.tells_event(&id) {
                // Nobody takes it, or nobody has heard that it was taken: its actor asks anew.
                tracing::warn!(job = %id, "an event of a job has not been taken for long");
                self.running.insert(id.clone(), now);
                self.end_actor(&id);
                continue;
            }
            tracing::error!(job = %id, "a run is stuck and given up");
            if let Some(run) = run {
                let record: Option<Run> = self.deps.store.get(&run_key(&id, run))?;
                let outcome = Outcome::failed("it was stuck and is given up", false);
                self.ended(&id, run, outcome).await?;
                // The turn would go on, and its answer reach nobody. All else ends with its actor.
                if record.as_ref().is_some_and(|record| record.session.is_some()) {
                    self.stop(&id, run, record)?;
                }
            }
            self.end_actor(&id);
        }
        Ok(())
    }

    /// Whether what runs of a job only tells something: that must not get lost, and is told once
    /// however often it is handed over.
    fn tells_event(&self, id: &JobId) -> bool {
        let payload = self.book.get(id).map(|job| &job.spec.payload);
        matches!(payload, Some(Payload::SystemEvent { .. }))
    }

    fn stuck_after(&self, job: &Job) -> Duration {
        let limit = match &job.spec.payload {
            Payload::AgentTurn { timeout_seconds: Some(seconds), .. } if *seconds > 0 => {
                Duration::from_secs(*seconds)
            }
            Payload::AgentTurn { .. } => self.deps.settings.turn_max,
            Payload::Command(line) => command::limit(line),
            Payload::SystemEvent { .. } => Duration::ZERO,
        };
        STUCK_AFTER.max(limit + STOPPING_MAX)
    }

    pub(super) fn alert_rule(&self, job: &Job) -> Option<AlertRule> {
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
        let agent = self.agent(job);
        let (last, accounts) = (self.last_place(agent)?, self.accounts());
        let turn = outcome.exchange.as_deref();
        let answer = turn.map_or(outcome.output.as_str(), |turn| &turn.answer);
        let written = match (turn, &run.session) {
            (Some(turn), Some(session)) => sent_by_turn(&self.deps.store, session, turn)?,
            (Some(_) | None, _) => Vec::new(),
        };
        let place = job.spec.delivery.as_ref().filter(|delivery| delivery.announce);
        let webhook = place.and_then(|delivery| webhook_of(&delivery.to));
        let has_answer = turn.is_some() || outcome.status == Status::Ok;
        if webhook.is_none() && (!has_answer || !(job.asks_agent() || job.is_command())) {
            return Ok((Delivered::NotRequested, Vec::new()));
        }
        let to = match announcement(job, answer, &written, last.as_ref(), &accounts) {
            Announcement::Not(why) => return Ok((why, Vec::new())),
            Announcement::To(to) => to,
        };
        let text = match &webhook {
            Some(to) if !self.deps.outbox.has(&to.account) => {
                let why = "this engine posts to no webhooks".to_owned();
                return Ok((Delivered::Nowhere(why), Vec::new()));
            }
            Some(_) => of_run(run, &end_of(outcome, now), answer),
            None => answer.to_owned(),
        };
        let name = self.deps.names.get(agent).cloned();
        let speaker = turn.filter(|_| webhook.is_none());
        let draft = Draft {
            session: self.session_of(run, agent),
            turn: turn.map_or(0, |turn| turn.turn),
            to: to.clone(),
            text,
            speaker: speaker.map(|turn| Speaker { model: turn.model.clone(), name }),
        };
        let entries = self.deps.outbox.add(batch, &draft, now)?;
        let numbers = entries.iter().map(|entry| entry.id.0).collect();
        Ok((Delivered::Written { to, entries: numbers }, entries))
    }

    /// Tells whoever is told that a job fails; a log line always does.
    pub(super) fn tell(
        &self,
        batch: &mut Batch,
        job: &Job,
        run: Option<&Run>,
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
        if webhook::account() == to.account && !self.deps.outbox.has(&to.account) {
            tracing::warn!(job = %job.id, "nobody could be told: this engine posts to no webhooks");
            return Ok(Vec::new());
        }
        let is_webhook = webhook::account() == to.account;
        let text = if is_webhook { of_alert(job, run, text) } else { text.to_owned() };
        let session =
            run.map_or_else(|| self.deps.main.of(agent), |run| self.session_of(run, agent));
        let draft = Draft { session, turn: 0, to, text, speaker: None };
        self.deps.outbox.add(batch, &draft, now)
    }

    /// The session of a run, or who its agent is.
    fn session_of(&self, run: &Run, agent: &str) -> SessionKey {
        run.session.clone().unwrap_or_else(|| self.deps.main.of(agent))
    }

    fn agent<'a>(&'a self, job: &'a Job) -> &'a str {
        job.spec.agent.as_ref().unwrap_or(&self.deps.default_agent)
    }

    fn last_place(&self, agent: &str) -> Result<Option<Destination>, StoreError> {
        last::of_main(&self.deps.store, &self.deps.main.of(agent))
    }

    fn accounts(&self) -> Vec<AccountKey> {
        self.deps.outbox.accounts().cloned().collect()
    }
}

/// The end of a run, as far as its outcome says it.
fn end_of(outcome: &Outcome, now: Timestamp) -> RunEnd {
    let exchange = outcome.exchange.as_deref();
    RunEnd {
        at: now,
        status: outcome.status,
        error: outcome.error.clone(),
        summary: exchange.map_or_else(|| outcome.output.clone(), |turn| head(&turn.answer)),
        delivery: Delivered::NotRequested,
        model: exchange.map(|turn| turn.model.clone()).unwrap_or_default(),
        tokens: exchange.map_or((0, 0), |turn| (turn.usage.input, turn.usage.output)),
        next: None,
    }
}

fn head(answer: &str) -> String {
    answer.chars().take(SUMMARY_CHARS_MAX).collect()
}
