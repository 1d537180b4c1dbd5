//! Jobs: from config to what runs them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::cron::CronSettings;
use telson_actors::cron::job::{AlertRule, JobId, Place};
use telson_actors::cron::wire::{read_id, read_spec};

use super::Assembly;
use crate::config::{Config, FailureAlert, Lookup};

/// The other gateway's switch, which people have in their service files.
const SKIP: &str = "OPENCLAW_SKIP_CRON";

/// # Errors
/// A job of the config that can't be used, with its place.
pub(super) fn add(
    assembly: &mut Assembly,
    config: &Config,
    env: &Lookup<'_>,
) -> Result<(), String> {
    let cron = &config.cron;
    let is_skipped = env(SKIP).is_some_and(|value| value == "1");
    let zone = TimeZone::system();
    let settings = CronSettings {
        enabled: cron.enabled && !is_skipped,
        runs_max: usize::try_from(cron.max_concurrent_runs).unwrap_or(1),
        session_retention: cron.session_retention.0.map(Duration::from_millis),
        alert: alert(&cron.failure_alert)?,
        declared: declared(&cron.jobs, config, &zone)?,
        zone,
        ..CronSettings::default()
    };
    if !settings.enabled {
        let why = if is_skipped { SKIP } else { "cron.enabled" };
        assembly.notes.push(format!("jobs are kept and do not run ({why})"));
    }
    assembly.build(|builder| builder.cron(settings));
    Ok(())
}

fn alert(rule: &FailureAlert) -> Result<Option<AlertRule>, String> {
    if !rule.enabled {
        return Ok(None);
    }
    let channel = rule.channel.clone().filter(|channel| channel != "last");
    if channel.is_some() && rule.to.is_none() {
        return Err("cron.failureAlert.to is missing: who is told on that channel?".into());
    }
    let place =
        Place { channel, to: rule.to.clone(), account: rule.account_id.clone(), thread: None };
    let to = (place != Place::default()).then_some(place);
    Ok(Some(AlertRule {
        after: rule.after,
        cooldown_ms: rule.cooldown_ms,
        include_skipped: rule.include_skipped,
        to,
    }))
}

fn declared(
    jobs: &[Value],
    config: &Config,
    zone: &TimeZone,
) -> Result<Vec<(JobId, Value)>, String> {
    let (mut read, mut ids) = (Vec::new(), BTreeSet::new());
    let agents = config.agents_map();
    for (index, job) in jobs.iter().enumerate() {
        let place = |why: String| format!("cron.jobs[{index}]: {why}");
        let id = read_id(job).map_err(place)?;
        let id = id.ok_or_else(|| place("id is missing; it names the job over restarts".into()))?;
        if !ids.insert(id.clone()) {
            return Err(place(format!("the id {id} is used twice")));
        }
        let spec = read_spec(job, Timestamp(0)).map_err(place)?;
        let now = Clock::system().now();
        spec.schedule.check(now, zone).map_err(|why| place(format!("schedule: {why}")))?;
        if let Some(agent) = spec.agent.filter(|agent| !agents.contains_key(agent)) {
            return Err(place(format!("agentId: there is no agent {agent:?}")));
        }
        read.push((id, job.clone()));
    }
    Ok(read)
}
