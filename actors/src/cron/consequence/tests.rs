//! Every end of a run, and what follows.

use proptest::prelude::*;
use serde_json::json;

use super::super::job::{Delivered, JobId, JobState, RunId};
use super::super::wire::read_spec;
use super::*;

const NOW: Timestamp = Timestamp(1_000_000_000);

fn job(schedule: &serde_json::Value) -> Job {
    let value = json!({"name": "j", "schedule": schedule, "payload": {"kind": "agentTurn", "message": "m"}});
    Job {
        id: JobId::new("j").unwrap(),
        spec: read_spec(&value, Timestamp(0)).unwrap(),
        declared: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        state: JobState { next: Some(NOW), ..JobState::default() },
    }
}

fn every() -> Job {
    job(&json!({"kind": "every", "everyMs": 60_000}))
}

fn end(status: Status, at: Timestamp, may_pass: bool) -> Ended {
    let error = (status == Status::Error).then(|| "no luck".to_owned());
    let run = RunId::scheduled(at);
    let last =
        LastRun { run, at, status, error, duration_ms: 5, delivery: Delivered::NotRequested };
    Ended { at, last, may_pass }
}

#[expect(clippy::unnecessary_wraps, reason = "what a schedule gives")]
fn natural(at: Timestamp) -> Option<Timestamp> {
    Some(at.plus(std::time::Duration::from_mins(1)))
}

#[test]
fn a_failing_job_rests_longer_and_longer_and_is_switched_off_after_ten() {
    let (mut job, mut at, mut rests) = (every(), NOW, Vec::new());
    for nth in 1..=ERRORS_MAX {
        let said = ended(&mut job, end(Status::Error, at, true), natural(at), None);
        assert_eq!(said.tell.is_some(), nth == ERRORS_MAX, "{said:?}");
        if let Some(next) = job.state.next {
            rests.push(next.since(at).as_secs());
            at = next;
        }
    }
    assert_eq!(rests, [60, 60, 300, 900, 3600, 3600, 3600, 3600, 3600]);
    assert!(!job.spec.enabled && job.state.next.is_none());
    assert!(job.state.disabled_because.unwrap().contains("10 failures in a row: no luck"));
}

#[test]
fn what_works_or_is_skipped_starts_anew() {
    for status in [Status::Ok, Status::Skipped] {
        let mut job = every();
        ended(&mut job, end(Status::Error, NOW, true), natural(NOW), None);
        ended(&mut job, end(status, NOW, true), natural(NOW), None);
        assert_eq!((job.state.errors, job.state.next), (0, natural(NOW)));
    }
}

#[test]
fn one_shots_end_are_removed_or_tried_again() {
    let once = || job(&json!({"kind": "at", "at": 1_000_000_000}));
    let mut done = once();
    assert!(ended(&mut done, end(Status::Ok, NOW, false), None, None).remove);
    let mut hopeless = once();
    assert!(!ended(&mut hopeless, end(Status::Error, NOW, false), None, None).remove);
    assert!(!hopeless.spec.enabled);
    let mut again = once();
    for nth in 1..=4 {
        assert!(again.spec.enabled, "before {nth}");
        ended(&mut again, end(Status::Error, NOW, true), None, None);
        assert_eq!(again.state.next.is_some(), nth <= 3, "{nth}");
    }
    assert!(!again.spec.enabled);
}

#[test]
fn alerts_come_after_two_failures_and_not_again_within_the_hour() {
    let (mut job, rule) = (every(), AlertRule::default());
    let mut told = Vec::new();
    for minute in 0..70 {
        let at = NOW.plus(std::time::Duration::from_mins(minute * 10));
        job.spec.enabled = true;
        job.state.errors = job.state.errors.min(5);
        if ended(&mut job, end(Status::Error, at, true), natural(at), Some(&rule)).tell.is_some() {
            told.push(minute * 10);
        }
    }
    assert_eq!(told[..3], [10, 70, 130]);
}

proptest! {
    // A job that goes on has a next instant, one that does not is off; failures never hurry it.
    #[test]
    fn a_job_either_goes_on_or_is_off(
        ends in prop::collection::vec((0usize..3, any::<bool>()), 1..30), once: bool,
    ) {
        let mut job = if once { job(&json!({"kind": "at", "at": 1_000_000_000})) } else { every() };
        for (status, may_pass) in ends {
            if !job.spec.enabled {
                break;
            }
            let status = [Status::Ok, Status::Error, Status::Skipped][status];
            ended(&mut job, end(status, NOW, may_pass), natural(NOW), None);
            prop_assert_eq!(job.spec.enabled, job.state.next.is_some());
            prop_assert!(job.state.next.is_none_or(|next| next > NOW));
            prop_assert!(job.state.errors <= ERRORS_MAX);
        }
    }
}
