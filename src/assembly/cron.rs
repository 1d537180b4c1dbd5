//! Jobs: from config to what runs them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use telson_actors::channel::webhook::{self, WebhookSettings};
use telson_actors::clock::Clock;
use telson_actors::cron::job::{AlertRule, JobId, Place};
use telson_actors::cron::wire::{read_declared, read_id};
use telson_actors::cron::{CronSettings, MainSessions, check_target};
use telson_actors::tool::core::exec::ExecSettings;

use super::Assembly;
use super::channels::unsettled;
use super::tools::{environment, policy};
use crate::config::{AlertMode, Config, FailureAlert, Lookup, Secret, SessionScope};

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
        commands: commands(env),
        declared: declared(&cron.jobs, config, &zone)?,
        zone,
        ..CronSettings::default()
    };
    if !settings.enabled {
        let why = if is_skipped { SKIP } else { "cron.enabled" };
        assembly.notes.push(format!("jobs are kept and do not run ({why})"));
    }
    let webhooks = WebhookSettings {
        token: cron.webhook_token.as_ref().and_then(Secret::expose).map(str::to_owned),
        policy: policy(&cron.webhook_ssrf_policy),
        ..WebhookSettings::default()
    };
    let unsettled = unsettled(cron.webhook_unsettled_sends.unwrap_or_default());
    assembly.build(|builder| builder.cron(settings).webhooks(webhooks, unsettled));
    Ok(())
}

/// Commands have the environment of an agent's, and the home folder of the service.
fn commands(env: &Lookup<'_>) -> ExecSettings {
    let mut settings = ExecSettings { environment: environment(env), ..ExecSettings::default() };
    if let Some(home) = env("HOME").filter(|home| !home.is_empty()) {
        settings.environment.push(("HOME".into(), home));
    }
    settings
}

fn alert(rule: &FailureAlert) -> Result<Option<AlertRule>, String> {
    if !rule.enabled {
        return Ok(None);
    }
    let told = |to: Option<Place>| AlertRule {
        after: rule.after,
        cooldown_ms: rule.cooldown_ms,
        include_skipped: rule.include_skipped,
        to,
    };
    if rule.mode == Some(AlertMode::Webhook) {
        let url = rule.to.as_deref().unwrap_or_default();
        webhook::check(url).map_err(|why| format!("cron.failureAlert.to {url:?} {why}"))?;
        let channel = Some(webhook::CHANNEL.to_owned());
        let to = Some(url.to_owned());
        return Ok(Some(told(Some(Place { channel, to, ..Place::default() }))));
    }
    let channel = rule.channel.clone().filter(|channel| channel != "last");
    if channel.is_some() && rule.to.is_none() {
        return Err("cron.failureAlert.to is missing: who is told on that channel?".into());
    }
    let place =
        Place { channel, to: rule.to.clone(), account: rule.account_id.clone(), thread: None };
    let to = (place != Place::default()).then_some(place);
    Ok(Some(told(to)))
}

fn declared(
    jobs: &[Value],
    config: &Config,
    zone: &TimeZone,
) -> Result<Vec<(JobId, Value)>, String> {
    let (mut read, mut ids) = (Vec::new(), BTreeSet::new());
    let agents = config.agents_map();
    let main = MainSessions {
        key: config.session.main_key.clone(),
        is_global: config.session.scope == SessionScope::Global,
    };
    for (index, job) in jobs.iter().enumerate() {
        let place = |why: String| format!("cron.jobs[{index}]: {why}");
        let id = read_id(job).map_err(place)?;
        let id = id.ok_or_else(|| place("id is missing; it names the job over restarts".into()))?;
        if !ids.insert(id.clone()) {
            return Err(place(format!("the id {id} is used twice")));
        }
        let spec = read_declared(job).map_err(place)?;
        let now = Clock::system().now();
        spec.schedule.check(now, zone).map_err(|why| place(format!("schedule: {why}")))?;
        let default = config.default_agent().unwrap_or_else(|| "main".to_owned());
        check_target(&spec, &default, &main).map_err(place)?;
        if let Some(agent) = spec.agent.filter(|agent| !agents.contains_key(agent)) {
            return Err(place(format!("agentId: there is no agent {agent:?}")));
        }
        read.push((id, job.clone()));
    }
    Ok(read)
}
