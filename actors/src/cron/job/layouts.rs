//! The layouts that jobs and runs had before, and what becomes of them (pure).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Alerts, Delivery, Job, JobId, JobState, Payload, Run, RunEnd, RunId, Schedule, SessionKey,
    Spec, Task, Timestamp, WakeMode,
};

/// A job before turns could run in sessions that are there.
#[derive(Serialize, Deserialize)]
pub(super) struct JobV1 {
    id: JobId,
    spec: SpecV1,
    declared: Option<Box<SpecV1>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    state: JobState,
}

#[derive(Serialize, Deserialize)]
struct SpecV1 {
    name: String,
    description: Option<String>,
    enabled: bool,
    delete_after_run: bool,
    agent: Option<String>,
    schedule: Schedule,
    payload: Payload,
    wake: WakeMode,
    delivery: Option<Delivery>,
    alerts: Alerts,
    kept: BTreeMap<String, String>,
}

/// A run before it said what it was claimed for.
#[derive(Serialize, Deserialize)]
pub(super) struct RunV2 {
    job: JobId,
    job_name: String,
    run: RunId,
    claimed_at: Timestamp,
    session: Option<SessionKey>,
    end: Option<RunEnd>,
}

impl From<RunV2> for Run {
    fn from(old: RunV2) -> Self {
        Self {
            job: old.job,
            job_name: old.job_name,
            run: old.run,
            claimed_at: old.claimed_at,
            task: Task::Unsaid,
            session: old.session,
            end: old.end,
        }
    }
}

impl From<JobV1> for Job {
    fn from(old: JobV1) -> Self {
        Self {
            id: old.id,
            spec: old.spec.into(),
            declared: old.declared.map(|declared| Box::new((*declared).into())),
            created_at: old.created_at,
            updated_at: old.updated_at,
            state: old.state,
        }
    }
}

impl From<SpecV1> for Spec {
    fn from(old: SpecV1) -> Self {
        Self {
            name: old.name,
            description: old.description,
            enabled: old.enabled,
            delete_after_run: old.delete_after_run,
            agent: old.agent,
            schedule: old.schedule,
            payload: old.payload,
            target: None,
            wake: old.wake,
            delivery: old.delivery,
            alerts: old.alerts,
            kept: old.kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Record;

    #[test]
    fn a_run_of_before_does_what_its_session_tells() {
        let of = |session: Option<SessionKey>| {
            let old = RunV2 {
                job: JobId::new("j").unwrap(),
                job_name: "n".into(),
                run: RunId::scheduled(Timestamp(5)),
                claimed_at: Timestamp(6),
                session,
                end: None,
            };
            let bytes = bincode::serde::encode_to_vec(&old, bincode::config::standard()).unwrap();
            assert_eq!(Run::from_older(0, &bytes), None);
            assert_eq!(Run::from_older(1, &bytes), Run::from_older(2, &bytes));
            Run::from_older(2, &bytes).unwrap()
        };
        let event = Payload::SystemEvent { text: "tea".into() };
        let turn = Payload::AgentTurn { message: "m".into(), model: None, timeout_seconds: None };
        let without = of(None);
        assert_eq!((without.claimed_at, without.task), (Timestamp(6), Task::Unsaid));
        assert!(without.may_do(&event) && without.may_do(&turn));
        let with = of(SessionKey::main("main", "main").ok());
        assert!(with.may_do(&turn) && !with.may_do(&event));
    }

    #[test]
    fn a_job_of_before_is_the_same_job() {
        let spec = || SpecV1 {
            name: "n".into(),
            description: None,
            enabled: true,
            delete_after_run: false,
            agent: Some("main".into()),
            schedule: Schedule::At(Timestamp(5)),
            payload: Payload::SystemEvent { text: "tea".into() },
            wake: WakeMode::Now,
            delivery: None,
            alerts: Alerts::Off,
            kept: BTreeMap::new(),
        };
        let old = JobV1 {
            id: JobId::new("j").unwrap(),
            spec: spec(),
            declared: Some(Box::new(spec())),
            created_at: Timestamp(1),
            updated_at: Timestamp(2),
            state: JobState { runs: 3, ..JobState::default() },
        };
        let bytes = bincode::serde::encode_to_vec(&old, bincode::config::standard()).unwrap();
        let job = Job::from_older(1, &bytes).unwrap();
        assert_eq!((job.id.as_str(), job.spec.target.as_ref(), job.state.runs), ("j", None, 3));
        assert_eq!(job.spec.alerts, Alerts::Off);
        assert_eq!(job.declared.as_deref(), Some(&job.spec));
        assert_eq!(Job::from_older(0, &bytes), None);
    }
}
