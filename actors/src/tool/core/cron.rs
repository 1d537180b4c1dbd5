//! `cron`: the agent's own jobs.
//!
//! A job acts later and without anybody watching, so not everybody who may talk to the agent may
//! make one: only owners, whoever is connected to the gateway itself, and jobs. [`rights`] decides.

mod rights;

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

pub(super) use self::rights::Rights;
use super::{CoreDeps, place, required, text};
use crate::channel::webchat;
use crate::cron::job::{Job, JobId};
use crate::cron::wire::{job_value, run_value, spec_value, tell_run_fate, without_secrets};
use crate::cron::{Begun, Cron as Jobs};
use crate::inbox::{InboxRecord, inbox_prefix};
use crate::message::Inbound;
use crate::provider::ToolSpec;
use crate::tool::{Invocation, Tool, ToolTraits};

/// A change waits for the disk.
const DEADLINE: Duration = Duration::from_mins(1);
/// Runs told of one job.
const RUNS_MAX: usize = 20;
/// See the module.
pub(super) struct Cron {
    pub(super) deps: CoreDeps,
    pub(super) jobs: Jobs,
    /// Who may use it.
    pub(super) rights: Rights,
}

impl Cron {
    async fn perform(&self, call: &Invocation) -> Result<String, String> {
        self.check_writers(call, |inbound| self.rights.may_use(inbound))?;
        let failed = |error: crate::cron::ChangeError| error.to_string();
        match required(call, "action")? {
            "status" => {
                let status = self.jobs.status().await.map_err(failed)?;
                let next = status.next.map(crate::cron::words::moment);
                Ok(json!({"enabled": status.enabled, "jobs": status.jobs, "next": next})
                    .to_string())
            }
            "list" => {
                let mut jobs = self.jobs.list().await.map_err(failed)?;
                let all = call.arguments["includeDisabled"].as_bool().unwrap_or(false);
                jobs.retain(|job| self.is_of(job, &call.agent) && (all || job.spec.enabled));
                Ok(jobs.iter().map(|job| self.shown(job)).collect::<Value>().to_string())
            }
            "add" => {
                let mut job = call.arguments["job"].clone();
                if !job.is_object() {
                    return Err("arguments.job is missing".into());
                }
                match job.get("agentId").and_then(Value::as_str) {
                    Some(agent) if agent != call.agent => {
                        return Err("a job of yours has you as its agent".into());
                    }
                    _ => job["agentId"] = json!(call.agent),
                }
                rights::place(&mut job, &call.session)?;
                self.deliver(call, &mut job)?;
                self.check_delicate(call, &job)?;
                let job = self.jobs.add(job).await.map_err(failed)?;
                Ok(self.shown(&job).to_string())
            }
            "update" => {
                let id = self.touched(call).await?;
                let mut patch = call.arguments["patch"].clone();
                if patch.get("agentId").is_some() {
                    return Err("a job of yours has you as its agent".into());
                }
                rights::place(&mut patch, &call.session)?;
                self.deliver_changed(call, &id, &mut patch).await?;
                self.check_delicate(call, &patch)?;
                let job = self.jobs.update(&id, patch).await.map_err(failed)?;
                Ok(self.shown(&job).to_string())
            }
            "remove" => {
                let id = self.own(call).await?;
                self.jobs.remove(&id).await.map_err(failed)?;
                Ok(format!("{id} is removed"))
            }
            "run" => {
                let id = self.touched(call).await?;
                Ok(match self.jobs.run(&id, true).await.map_err(failed)? {
                    Begun::Run(name) => format!("begun: {name}"),
                    Begun::Queued(name) => format!("queued: {name}"),
                    Begun::Running | Begun::NotDue => format!("{id} runs already"),
                })
            }
            "runs" => {
                let id = self.own(call).await?;
                let runs = self.jobs.runs(&id).map_err(|error| error.to_string())?;
                let ended = runs.iter().rev().filter_map(|run| Some((run, run.end.as_ref()?)));
                let fates = self.jobs.fates();
                let told = ended.take(RUNS_MAX).map(|(run, end)| {
                    let mut value = run_value(run, end);
                    if let Ok(Some(fate)) = fates.of(&end.delivery) {
                        tell_run_fate(&mut value, &fate);
                    }
                    value
                });
                Ok(told.collect::<Value>().to_string())
            }
            other => Err(format!("arguments.action {other:?} is not known")),
        }
    }

    /// Everybody whose message this session works on must be allowed to: the model does what any of
    /// them says. Answers how many there are.
    fn check_writers(
        &self,
        call: &Invocation,
        may: impl Fn(&Inbound) -> bool,
    ) -> Result<usize, String> {
        let waiting = self.deps.store.scan::<InboxRecord>(&inbox_prefix(&call.session));
        let waiting = waiting.map_err(|error| format!("the session can't be read: {error}"))?;
        let refused =
            waiting.iter().map(|(_, record)| &record.envelope.inbound).find(|it| !may(it));
        if let Some(inbound) = refused {
            let who = format!("{}:{}", inbound.account.channel, inbound.sender);
            return Err(format!(
                "only owners may do that with jobs, and {who} is none (commands.ownerAllowFrom)"
            ));
        }
        Ok(waiting.len())
    }

    /// Whoever asks for a job in a conversation is told there, unless they say otherwise.
    fn deliver(&self, call: &Invocation, job: &mut Value) -> Result<(), String> {
        let here = place::of_turn(&self.deps.store, &call.session, call.turn);
        let here = here.map_err(|error| format!("the conversation can't be read: {error}"))?;
        // What nobody outside reads is no place.
        let here = here.filter(|here| here.account != webchat::account());
        let is_main = call.session == self.jobs.main_session(&call.agent);
        here.map_or(Ok(()), |here| rights::deliver(job, &here, is_main))
    }

    /// The same for a change: whom the job names stays named.
    async fn deliver_changed(
        &self,
        call: &Invocation,
        id: &JobId,
        patch: &mut Value,
    ) -> Result<(), String> {
        let old = self.jobs.get(id).await.map_err(|error| error.to_string())?;
        let delivery = old.and_then(|job| job.spec.delivery);
        let is_named = delivery.is_some_and(|delivery| delivery.to.to.is_some());
        let is_event = patch["payload"]["kind"] == "systemEvent";
        if is_event || (patch["delivery"].is_object() && !is_named) {
            self.deliver(call, patch)?;
        }
        Ok(())
    }

    /// What runs programs or speaks to them is for owners in person, and commands for agents that may
    /// run them anyway.
    fn check_delicate(&self, call: &Invocation, job: &Value) -> Result<(), String> {
        if Rights::is_command(job) && !self.rights.commands(&call.agent) {
            return Err("you may not run commands (tools.exec), and no job of yours may".into());
        }
        if Rights::is_command(job) || Rights::is_webhook(job) {
            let owners = self.check_writers(call, |inbound| self.rights.is_owner(inbound))?;
            if owners == 0 {
                return Err("no owner has asked for that".into());
            }
        }
        Ok(())
    }

    /// A job of the agent's own that is to be changed or run.
    async fn touched(&self, call: &Invocation) -> Result<JobId, String> {
        let id = self.own(call).await?;
        let job = self.jobs.get(&id).await.map_err(|error| error.to_string())?;
        if let Some(job) = job {
            self.check_delicate(call, &spec_value(&job.spec))?;
        }
        Ok(id)
    }

    /// The job a call names, if it is the agent's own.
    async fn own(&self, call: &Invocation) -> Result<JobId, String> {
        let id = text(call, "id").or_else(|| text(call, "jobId"));
        let id = id.and_then(JobId::new).ok_or("arguments.id is missing")?;
        let job = self.jobs.get(&id).await.map_err(|error| error.to_string())?;
        let is_own = job.is_some_and(|job| self.is_of(&job, &call.agent));
        is_own.then_some(id).ok_or_else(|| "you have no such job; list them".into())
    }

    fn is_of(&self, job: &Job, agent: &str) -> bool {
        job.spec.agent.as_deref().unwrap_or(self.jobs.default_agent()) == agent
    }

    fn shown(&self, job: &Job) -> Value {
        let mut value = without_secrets(job_value(job, self.jobs.default_agent()));
        let next = self.jobs.upcoming(job, 1).first().copied();
        value["next"] = json!(next.map(crate::cron::words::moment));
        value
    }
}

impl Tool for Cron {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "cron".into(),
            description: "Your own jobs: what you are to do or to be told of at a later time, once \
                          or again and again. A job of payload kind agentTurn runs in a session of \
                          its own, and its answer is announced; systemEvent tells your main session."
                .into(),
            parameters: json!({
                "type": "object",
                "required": ["action"],
                "additionalProperties": false,
                "properties": {
                    "action": {"enum": ["status", "list", "add", "update", "remove", "run", "runs"]},
                    "id": {"type": "string", "description": "For update, remove, run and runs."},
                    "jobId": {"type": "string"},
                    "includeDisabled": {"type": "boolean"},
                    "job": {
                        "type": "object",
                        "description": "For add: {name, schedule, payload, delivery?}. schedule: \
                            {kind: at, at: RFC 3339 or 20m} | {kind: every, everyMs} | {kind: cron, \
                            expr, tz}. payload: {kind: agentTurn, message} | {kind: systemEvent, \
                            text} (from your main session only). delivery: left out, the answer is \
                            told in this conversation; {mode: announce, channel, to} | {mode: none}. \
                            sessionTarget: isolated | current, to run in this conversation.",
                    },
                    "patch": {"type": "object", "description": "For update: what changes."},
                },
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        // A second `add` is a second job.
        ToolTraits { is_idempotent: false, deadline: DEADLINE }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.perform(call))
    }
}
