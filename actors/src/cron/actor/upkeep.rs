//! Forgetting: old runs, and the sessions of runs that are over.

use std::ops::Bound;
use std::time::Duration;

use super::Scheduler;
use crate::channel::webchat::chat_prefix;
use crate::clock::Timestamp;
use crate::context::summary_key;
use crate::cron::job::{Job, JobId, Run};
use crate::cron::record::{Reap, job_key, reap_key, reap_prefix, run_prefix};
use crate::inbox::{InboxRecord, inbox_prefix};
use crate::message::SessionKey;
use crate::message::session_key::{KeyParts, Place};
use crate::model::choice_key;
use crate::session::queue::queue_key;
use crate::session::{exchange_prefix, session_key};
use crate::store::{Batch, Key, StoreError};
use crate::usage::session_usage_key;

/// How long a run stands in the history.
const RUN_AGE_MAX: Duration = Duration::from_hours(168);
/// Most runs of one job in the history.
const RUNS_MAX: usize = 2000;
/// Jobs looked at by one round, and records removed for each of them.
const ROUND: usize = 500;

impl Scheduler {
    /// One round: the next jobs in the order of their ids, and sessions whose time has come. `false`
    /// where more is left: then the next round is due soon, or what comes in would outgrow it.
    pub(super) async fn upkeep(&mut self) -> Result<bool, StoreError> {
        // Nothing ages because somebody sets the clock.
        let now = self.deps.clock.cautious();
        let last = self.looked_through.take();
        let after = last.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let ids: Vec<JobId> =
            self.book.behind(after).take(ROUND).map(|job| job.id.clone()).collect();
        let (mut done, mut is_over) = (last, ids.len() < ROUND);
        for id in ids {
            if !self.forget_runs(&id, now).await? {
                // The next round goes on with the rest of this job.
                is_over = false;
                break;
            }
            done = Some(id);
        }
        self.looked_through = done.filter(|_| !is_over);
        Ok(self.reap(now).await? && is_over)
    }

    /// What is forgotten must not run again: the floor of its job rises with it. `false` if one
    /// commit was not enough for this job.
    async fn forget_runs(&mut self, id: &JobId, now: Timestamp) -> Result<bool, StoreError> {
        let Some(mut job) = self.book.get(id).filter(|job| job.state.runs > 0).cloned() else {
            return Ok(true);
        };
        let is_old = |run: &Run| run.end.is_some() && now.since(run.claimed_at) > RUN_AGE_MAX;
        let surplus =
            usize::try_from(job.state.runs).unwrap_or(usize::MAX).saturating_sub(RUNS_MAX);
        if surplus == 0 && self.old_at.get(id).is_some_and(|at| *at > now) {
            return Ok(true);
        }
        let (store, prefix) = (&self.deps.store, run_prefix(id));
        let oldest: Vec<(Key, Run)> = store.page(&prefix, None, 1)?;
        if surplus == 0
            && let Some((_, run)) = oldest.first()
            && !is_old(run)
        {
            self.old_at.insert(id.clone(), run.claimed_at.plus(RUN_AGE_MAX));
            return Ok(true);
        }
        self.old_at.remove(id);
        let page: Vec<(Key, Run)> = store.page(&prefix, None, ROUND)?;
        let (mut batch, mut forgotten) = (Batch::new(), 0);
        for (nth, (key, run)) in page.into_iter().enumerate() {
            if is_old(&run) || (nth < surplus && run.end.is_some()) {
                batch.delete(key);
                forget(&mut job, &run);
                forgotten += 1;
            }
        }
        batch.put(job_key(id), &job);
        self.deps.store.commit(batch).await?;
        self.book.put(job);
        Ok(forgotten < ROUND)
    }

    async fn reap(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let Some(retention) = self.deps.settings.session_retention else { return Ok(true) };
        let over: Vec<(Key, Reap)> = self.deps.store.page(&reap_prefix(), None, ROUND)?;
        let is_last = over.len() < ROUND;
        for (key, reap) in over {
            if now.since(reap.at) < retention {
                return Ok(true);
            }
            let mut batch = Batch::new();
            batch.delete(key);
            if self.waits(&reap.session)? {
                // It is looked at again when its time has passed once more.
                let later = Reap { at: now.max(reap.at.stepped(1)), ..reap };
                batch.put(reap_key(&later), &later);
            } else {
                self.delete_session(&mut batch, &reap.session)?;
                self.delete_left_runs(&mut batch, &reap.session)?;
            }
            self.deps.store.commit(batch).await?;
        }
        Ok(is_last)
    }

    /// A job that was removed when it had run has left its history behind.
    fn delete_left_runs(&self, batch: &mut Batch, session: &SessionKey) -> Result<(), StoreError> {
        let KeyParts::Agent { place: Place::CronRun { job, .. }, .. } = session.parts() else {
            return Ok(());
        };
        let Some(id) = JobId::new(&job).filter(|id| self.book.get(id).is_none()) else {
            return Ok(());
        };
        for (key, _) in self.deps.store.scan_raw(&run_prefix(&id))? {
            batch.delete(key);
        }
        Ok(())
    }

    /// Whether something in a session waits for its answer.
    fn waits(&self, session: &SessionKey) -> Result<bool, StoreError> {
        Ok(!self.deps.store.page::<InboxRecord>(&inbox_prefix(session), None, 1)?.is_empty())
    }

    /// Everything a session of one run leaves behind.
    fn delete_session(&self, batch: &mut Batch, session: &SessionKey) -> Result<(), StoreError> {
        let store = &self.deps.store;
        for prefix in [exchange_prefix(session), chat_prefix(session.as_str())] {
            for (key, _) in store.scan_raw(&prefix)? {
                batch.delete(key);
            }
        }
        batch
            .delete(session_key(session))
            .delete(queue_key(session))
            .delete(choice_key(session))
            .delete(summary_key(session))
            .delete(session_usage_key(session));
        Ok(())
    }
}

fn forget(job: &mut Job, run: &Run) {
    job.state.runs = job.state.runs.saturating_sub(1);
    if run.run.manual == 0 {
        job.state.floor = job.state.floor.max(Some(run.run.at));
    }
}
