//! Forgetting: old runs, and the sessions of runs that are over.

use std::ops::Bound;
use std::time::Duration;

use super::Scheduler;
use crate::channel::webchat::chat_prefix;
use crate::clock::Timestamp;
use crate::context::summary_key;
use crate::cron::job::{Job, JobId, Run};
use crate::cron::record::{Reap, job_key, reap_prefix, run_prefix};
use crate::inbox::inbox_prefix;
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
    /// One round: the next jobs in the order of their ids, and sessions whose time has come.
    pub(super) async fn upkeep(&mut self) -> Result<(), StoreError> {
        // Nothing ages because somebody sets the clock.
        let now = self.deps.clock.cautious();
        let after = self.looked_through.take().map_or(Bound::Unbounded, Bound::Excluded);
        let ids: Vec<JobId> =
            self.book.behind(after).take(ROUND).map(|job| job.id.clone()).collect();
        self.looked_through = ids.last().filter(|_| ids.len() == ROUND).cloned();
        for id in ids {
            self.forget_runs(&id, now).await?;
        }
        self.reap(now).await
    }

    /// What is forgotten must not run again: the floor of its job rises with it.
    async fn forget_runs(&mut self, id: &JobId, now: Timestamp) -> Result<(), StoreError> {
        let Some(mut job) = self.book.get(id).filter(|job| job.state.runs > 0).cloned() else {
            return Ok(());
        };
        let is_old = |run: &Run| run.end.is_some() && now.since(run.claimed_at) > RUN_AGE_MAX;
        let surplus =
            usize::try_from(job.state.runs).unwrap_or(usize::MAX).saturating_sub(RUNS_MAX);
        if surplus == 0 && self.old_at.get(id).is_some_and(|at| *at > now) {
            return Ok(());
        }
        let (store, prefix) = (&self.deps.store, run_prefix(id));
        let oldest: Vec<(Key, Run)> = store.page(&prefix, None, 1)?;
        if surplus == 0
            && let Some((_, run)) = oldest.first()
            && !is_old(run)
        {
            self.old_at.insert(id.clone(), run.claimed_at.plus(RUN_AGE_MAX));
            return Ok(());
        }
        self.old_at.remove(id);
        let page: Vec<(Key, Run)> = store.page(&prefix, None, ROUND)?;
        let mut batch = Batch::new();
        for (nth, (key, run)) in page.into_iter().enumerate() {
            if is_old(&run) || (nth < surplus && run.end.is_some()) {
                batch.delete(key);
                forget(&mut job, &run);
            }
        }
        batch.put(job_key(id), &job);
        self.deps.store.commit(batch).await?;
        self.book.put(job);
        Ok(())
    }

    async fn reap(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(retention) = self.deps.settings.session_retention else { return Ok(()) };
        let over: Vec<(Key, Reap)> = self.deps.store.page(&reap_prefix(), None, ROUND)?;
        for (key, reap) in over {
            if now.since(reap.at) < retention {
                break;
            }
            let mut batch = Batch::new();
            batch.delete(key);
            self.delete_session(&mut batch, &reap.session)?;
            self.delete_left_runs(&mut batch, &reap.session)?;
            self.deps.store.commit(batch).await?;
        }
        Ok(())
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

    /// Everything a session of one run leaves behind. One that waits for something stays.
    fn delete_session(&self, batch: &mut Batch, session: &SessionKey) -> Result<(), StoreError> {
        let store = &self.deps.store;
        if !store.scan_raw(&inbox_prefix(session))?.is_empty() {
            return Ok(());
        }
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
