//! The scheduler's memory (pure): every job, and which of them is due next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::job::{Job, JobId};
use crate::clock::Timestamp;

/// Jobs, ordered by their next instant as well. A job that runs or is off waits for none.
#[derive(Debug, Default)]
pub(super) struct Book {
    jobs: BTreeMap<JobId, Job>,
    due: BTreeSet<(Timestamp, JobId)>,
    lost: BTreeSet<JobId>,
}

impl Book {
    /// Takes a job in, or its new state.
    pub(super) fn put(&mut self, job: Job) {
        self.take(&job.id.clone());
        if let Some(next) = waits_for(&job) {
            self.due.insert((next, job.id.clone()));
        }
        if is_lost(&job) {
            self.lost.insert(job.id.clone());
        }
        self.jobs.insert(job.id.clone(), job);
    }

    /// Takes a job out.
    pub(super) fn take(&mut self, id: &JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        if let Some(next) = waits_for(&job) {
            self.due.remove(&(next, id.clone()));
        }
        self.lost.remove(id);
        Some(job)
    }

    /// A job.
    pub(super) fn get(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// All jobs, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// The jobs from an id on, by id.
    pub(super) fn behind(&self, after: Bound<JobId>) -> impl Iterator<Item = &Job> {
        self.jobs.range((after, Bound::Unbounded)).map(|(_, job)| job)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The next instant of any job.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(next, _)| *next)
    }

    /// Jobs that are on, and the next instants of which could not be worked out.
    pub(super) fn lost(&self) -> impl Iterator<Item = &JobId> {
        self.lost.iter()
    }

    /// Up to `limit` jobs whose instant has come, the earliest first.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<JobId> {
        let come = self.due.iter().take_while(|(next, _)| *next <= now);
        come.take(limit).map(|(_, id)| id.clone()).collect()
    }
}

fn waits_for(job: &Job) -> Option<Timestamp> {
    let waits = job.spec.enabled && job.state.running.is_none();
    job.state.next.filter(|_| waits)
}

fn is_lost(job: &Job) -> bool {
    let waits = job.spec.enabled && job.state.running.is_none();
    waits && job.state.next.is_none() && job.state.schedule_errors > 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::job::{JobState, RunId};
    use super::super::wire::read_spec;
    use super::*;

    fn job(id: u8, enabled: bool, next: Option<i64>, runs: bool) -> Job {
        let value = json!({
            "enabled": enabled, "schedule": {"kind": "at", "at": 1},
            "payload": {"kind": "systemEvent", "text": "t"},
        });
        Job {
            id: JobId::new(&id.to_string()).unwrap(),
            spec: read_spec(&value, Timestamp(0)).unwrap(),
            declared: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            state: JobState {
                next: next.map(Timestamp),
                schedule_errors: id.into(),
                running: runs.then(|| RunId::scheduled(Timestamp(0))),
                ..JobState::default()
            },
        }
    }

    proptest! {
        // Whatever is put and taken, who is due is what a look over all jobs would find.
        #[test]
        fn who_is_due_is_known_at_once(
            changes in prop::collection::vec(
                (0u8..6, any::<bool>(), prop::option::of(0i64..20), any::<bool>(), any::<bool>()), 0..40),
            now in 0i64..20,
        ) {
            let mut book = Book::default();
            for (id, enabled, next, runs, takes) in changes {
                let job = job(id, enabled, next, runs);
                if takes { book.take(&job.id); } else { book.put(job); }
            }
            let mut waiting: Vec<_> =
                book.iter().filter_map(|job| Some((waits_for(job)?, job.id.clone()))).collect();
            waiting.sort();
            let lost: Vec<_> = book.iter().filter(|job| is_lost(job)).map(|job| &job.id).collect();
            prop_assert_eq!(book.lost().collect::<Vec<_>>(), lost);
            prop_assert_eq!(book.next(), waiting.first().map(|(next, _)| *next));
            waiting.retain(|(next, _)| *next <= Timestamp(now));
            let expected: Vec<JobId> = waiting.into_iter().map(|(_, id)| id).collect();
            prop_assert_eq!(book.due(Timestamp(now), usize::MAX), expected);
        }
    }
}
