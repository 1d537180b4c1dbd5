//! What follows the end of a run (pure): the job's state, whether it goes on, who is told.

use super::backoff::pause;
use super::job::{AlertRule, Delivered, Job, LastRun, RunId, Status};
use super::plan::after_failure;
use crate::clock::Timestamp;

/// Failures in a row after which a job that repeats is switched off.
pub(super) const ERRORS_MAX: u32 = 10;
/// Tries of a job that runs once, behind the first one, where its failure may pass.
const RETRIES_MAX: u32 = 3;
/// Times in a row no next instant can be worked out, after which a job is switched off.
const SCHEDULE_ERRORS_MAX: u32 = 3;

/// How a run ended, as far as the job is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// When.
    pub at: Timestamp,
    /// How, and the rest that is remembered.
    pub last: LastRun,
    /// Whether the failure may pass by itself.
    pub may_pass: bool,
}

/// What follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Consequence {
    /// The job is removed.
    pub remove: bool,
    /// Somebody is told this.
    pub tell: Option<String>,
}

/// Changes the job's state. `natural` is the next instant of its schedule after the end.
pub(super) fn ended(
    job: &mut Job,
    ended: Ended,
    natural: Option<Timestamp>,
    alert: Option<&AlertRule>,
) -> Consequence {
    let Ended { at, last, may_pass } = ended;
    let (status, error) = (last.status, last.error.clone().unwrap_or_default());
    // The instant of one that runs once, unless it is what has run: it was given to the job while
    // this run was under way, or a person has asked for this run besides.
    let to_come = natural.filter(|next| RunId::scheduled(*next) != last.run);
    let state = &mut job.state;
    state.running = None;
    state.running_since = None;
    state.looked_at = at;
    state.last = Some(last);
    match status {
        Status::Ok => (state.errors, state.skips) = (0, 0),
        Status::Skipped => (state.errors, state.skips) = (0, state.skips.saturating_add(1)),
        Status::Error | Status::Unknown => {
            (state.errors, state.skips) = (state.errors.saturating_add(1), 0);
        }
    }
    if status == Status::Ok {
        state.alerted_at = None;
    }
    let errors = state.errors;
    let resumes = at.plus(pause(errors));
    let mut consequence = Consequence::default();
    if job.spec.schedule.is_once() {
        if to_come.is_some() {
            state.next = to_come.filter(|_| job.spec.enabled);
        } else if status == Status::Error && may_pass && errors <= RETRIES_MAX {
            state.next = Some(resumes);
        } else {
            state.next = None;
            job.spec.enabled = false;
            // The config would bring it back, and it would run again.
            let is_gone = !status.has_failed() && job.declared.is_none();
            consequence.remove = is_gone && job.spec.delete_after_run;
        }
    } else {
        let next = match status {
            Status::Error | Status::Unknown => after_failure(natural, resumes),
            Status::Ok | Status::Skipped => natural,
        };
        state.next = next.filter(|_| job.spec.enabled);
    }
    if !job.spec.schedule.is_once() && errors >= ERRORS_MAX && job.spec.enabled {
        consequence.tell = Some(switch_off(job, &format!("{errors} failures in a row: {error}")));
    } else if let Some(rule) = alert {
        consequence.tell = match status {
            // Somebody has to look, however rarely it happens.
            Status::Unknown => Some(format!("The job \"{}\": {error}.", job.spec.name)),
            Status::Ok | Status::Error | Status::Skipped => alert_of(job, rule, at, &error),
        };
    }
    consequence
}

/// Changes the state of a job of which an instant was let go; the text is for whoever is told.
pub(super) fn missed(
    job: &mut Job,
    run: RunId,
    now: Timestamp,
    why: &str,
    alert: Option<&AlertRule>,
) -> Option<String> {
    let state = &mut job.state;
    (state.errors, state.skips) = (0, state.skips.saturating_add(1));
    state.last = Some(LastRun {
        run,
        at: now,
        status: Status::Skipped,
        error: Some(why.to_owned()),
        duration_ms: 0,
        delivery: Delivered::NotRequested,
    });
    alert.and_then(|rule| alert_of(job, rule, now, why))
}

/// No next instant could be worked out. It is tried again, until it is [given up](given_up).
pub(super) fn unscheduled(job: &mut Job) {
    job.state.next = None;
    job.state.schedule_errors = job.state.schedule_errors.saturating_add(1);
}

/// Switches off a job whose next instant could not be worked out so often that it is enough; the
/// text is for whoever is told.
pub(super) fn given_up(job: &mut Job, why: &str) -> Option<String> {
    let is_over = job.state.schedule_errors >= SCHEDULE_ERRORS_MAX;
    let times = job.state.schedule_errors;
    (is_over && job.spec.enabled).then(|| {
        switch_off(job, &format!("its schedule could not be worked out {times} times: {why}"))
    })
}

fn switch_off(job: &mut Job, why: &str) -> String {
    job.spec.enabled = false;
    job.state.next = None;
    job.state.disabled_because = Some(why.to_owned());
    let (name, id) = (&job.spec.name, &job.id);
    format!(
        "The job \"{name}\" is switched off after {why}. `telson cron edit {id} --enable` switches \
         it on again."
    )
}

fn alert_of(job: &mut Job, rule: &AlertRule, now: Timestamp, error: &str) -> Option<String> {
    let state = &mut job.state;
    let in_a_row =
        if rule.include_skipped { state.errors.saturating_add(state.skips) } else { state.errors };
    let rests = state
        .alerted_at
        .is_some_and(|told| now >= told && now.since(told).as_millis() < rule.cooldown_ms.into());
    if in_a_row < rule.after.max(1) || rests {
        return None;
    }
    state.alerted_at = Some(now);
    let (name, times) = (&job.spec.name, if in_a_row == 1 { "once" } else { "again and again" });
    let count = if in_a_row == 1 { String::new() } else { format!(" ({in_a_row} in a row)") };
    let did = if state.skips > 0 { "was skipped" } else { "has failed" };
    Some(format!("The job \"{name}\" {did} {times}{count}: {error}"))
}

#[cfg(test)]
mod tests;
