//! Forgetting: old runs, and the sessions of runs that are over.

use std::time::Duration;

use super::Scheduler;
use crate::channel::webchat::chat_prefix;
use crate::clock::Timestamp;
use crate::context::summary_key;
use crate::cron::job::{JobId, Run};
use crate::cron::record::{Reap, job_key, reap_prefix, run_prefix};
use crate::inbox::inbox_prefix;
use crate::message::SessionKey;
use crate::model::choice_key;
use crate::session::queue::queue_key;
use crate::session::{exchange_prefix, session_key};
use crate::store::{Batch, Key, Space, StoreError};
use crate::usage::session_usage_key;

/// How long a run stands in the history.
const RUN_AGE_MAX: Duration = Duration::from_hours(168);
/// Most runs of one job in the history.
const RUNS_MAX: usize = 2000;
/// Records looked at by one round.
const ROUND: usize = 1000;

impl Scheduler {
    /// One round: the next runs in the order of their jobs, and sessions whose time has come.
    pub(super) async fn upkeep(&mut self) -> Result<(), StoreError> {
        // Nothing ages because somebody sets the clock.
        let now = self.deps.clock.cautious();
        self.forget_runs(now).await?;
        self.reap(now).await
    }

    async fn forget_runs(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let space = Key::of(Space::CronRun);
        let page: Vec<(Key, Run)> =
            self.deps.store.page(&space, self.looked_through.as_ref(), ROUND)?;
        self.looked_through = page.last().filter(|_| page.len() == ROUND).map(|(key, _)| key.clone());
        let mut old: Vec<(Key, Run)> = Vec::new();
        let mut crowded: Vec<JobId> = Vec::new();
        for (key, run) in page {
            if crowded.last() != Some(&run.job) {
                crowded.push(run.job.clone());
            }
            if run.end.is_some() && now.since(run.claimed_at) > RUN_AGE_MAX {
                old.push((key, run));
            }
        }
        for id in crowded {
            let runs: Vec<(Key, Run)> = self.deps.store.scan(&run_prefix(&id))?;
            let surplus = runs.len().saturating_sub(RUNS_MAX);
            let ended = runs.into_iter().take(surplus).filter(|(_, run)| run.end.is_some());
            old.extend(ended);
        }
        self.delete_runs(old).await
    }

    /// What is forgotten must not run again: the floor of its job rises with it.
    async fn delete_runs(&mut self, old: Vec<(Key, Run)>) -> Result<(), StoreError> {
        for chunk in old.chunks(ROUND / 2) {
            let mut batch = Batch::new();
            let mut jobs = std::collections::BTreeMap::new();
            for (key, run) in chunk {
                batch.delete(key.clone());
                let Some(known) = self.book.get(&run.job) else { continue };
                let job = jobs.entry(run.job.clone()).or_insert_with(|| known.clone());
                if run.run.manual == 0 {
                    job.state.floor = job.state.floor.max(Some(run.run.at));
                }
            }
            for (id, job) in &jobs {
                batch.put(job_key(id), job);
            }
            self.deps.store.commit(batch).await?;
            jobs.into_values().for_each(|job| self.book.put(job));
        }
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
            self.deps.store.commit(batch).await?;
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
