//! Jobs: seen, made, changed, run.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use telson_actors::clock::Timestamp;
use telson_actors::cron::job::{Job, JobId, Run};
use telson_actors::cron::wire::{
    is_job_key, job_value, run_value, run_without_secrets, tell_job_fate, tell_run_fate,
    without_secrets,
};
use telson_actors::cron::{Begun, ChangeError, Cron, Fates};
use telson_actors::store::StoreError;

use super::cron_params::{
    ListParams, RunMode, RunsParams, one, run as run_params, update as update_params,
};
use super::params::{Nothing, read};
use super::{Call, Caller, ErrorBody, Method, Scope};
use crate::engine::Engine;
use crate::gateway::own_key::hash;

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "cron.list",
        scope: Scope::Read,
        about: "jobs, the next one first",
        run: |call| Box::pin(list(call)),
    },
    Method {
        name: "cron.get",
        scope: Scope::Read,
        about: "one job",
        run: |call| Box::pin(get(call)),
    },
    Method {
        name: "cron.status",
        scope: Scope::Read,
        about: "how many jobs there are, and when the next one comes",
        run: |call| Box::pin(status(call)),
    },
    Method {
        name: "cron.add",
        scope: Scope::Admin,
        about: "a new job",
        run: |call| Box::pin(add(call)),
    },
    Method {
        name: "cron.update",
        scope: Scope::Admin,
        about: "change a job",
        run: |call| Box::pin(update(call)),
    },
    Method {
        name: "cron.remove",
        scope: Scope::Admin,
        about: "remove a job with its history, and stop what runs of it",
        run: |call| Box::pin(remove(call)),
    },
    Method {
        name: "cron.run",
        scope: Scope::Admin,
        about: "run a job now, beside its schedule",
        run: |call| Box::pin(run(call)),
    },
    Method {
        name: "cron.runs",
        scope: Scope::Read,
        about: "the runs of a job, the newest first",
        run: |call| Box::pin(runs(call)),
    },
    Method {
        name: "telson.cron.import",
        scope: Scope::Admin,
        about: "make jobs of another gateway's jobs.json; those that are here stay as they are",
        run: |call| Box::pin(import(call)),
    },
];

/// Next instants shown of each job.
const UPCOMING: usize = 5;

fn jobs(engine: &Engine) -> Result<Cron, ErrorBody> {
    engine.cron().ok_or_else(|| ErrorBody::unavailable("this engine runs no jobs"))
}

async fn list(Call { engine, params, caller, .. }: Call) -> Result<Value, ErrorBody> {
    let params: ListParams = read("cron.list", params)?;
    let cron = jobs(&engine)?;
    let found = cron.list().await.map_err(refused)?;
    let found = found.into_iter().map(|job| {
        let value = job_value(&job, cron.default_agent());
        // Nothing is found by what is not shown.
        let value = if caller.may(Scope::Admin) { value } else { without_secrets(value) };
        (job, value)
    });
    let found = params.choose(found.collect());
    let page = params.page(found.len());
    let wanted: Vec<Job> = page.cut(&found).iter().map(|(job, _)| job.clone()).collect();
    let shown = shown_to(&caller, &cron, wanted).await?;
    let previews = shown.iter().filter_map(|job| {
        let mode = job["delivery"]["mode"].as_str().unwrap_or("none");
        let label = if mode == "none" { "not requested" } else { mode };
        Some((job["id"].as_str()?.to_owned(), json!({"label": label, "detail": label})))
    });
    let previews: Map<String, Value> = previews.collect();
    // Pages of one list belong together: clients ask anew when another one comes with another mark.
    let ids: Vec<String> = found.iter().map(|(job, _)| format!("{job:?}")).collect();
    let revision = hash(&ids.join("\n"));
    let mut answer = page.around("jobs", shown);
    answer["snapshotRevision"] = json!(format!("sha256:{revision}"));
    if params.wants_previews() {
        answer["deliveryPreviews"] = Value::Object(previews);
    }
    Ok(answer)
}

async fn get(Call { engine, params, caller, .. }: Call) -> Result<Value, ErrorBody> {
    let (id, cron) = (one("cron.get", params)?, jobs(&engine)?);
    let job = cron.get(&id).await.map_err(refused)?;
    let job = job.ok_or_else(|| refused(ChangeError::NotFound(id.to_string())))?;
    let shown = shown_to(&caller, &cron, vec![job]).await?;
    Ok(shown.into_iter().next().unwrap_or_default())
}

async fn status(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("cron.status", params)?;
    let status = jobs(&engine)?.status().await.map_err(refused)?;
    Ok(json!({
        "enabled": status.enabled,
        "storage": "sled",
        "jobs": status.jobs,
        "running": status.running,
        "nextWakeAtMs": status.next.map(|next| next.0),
    }))
}

async fn add(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let wrong = |why: String| ErrorBody::invalid(format!("invalid cron.add params: {why}"));
    let job = params.as_object().ok_or_else(|| wrong("must be object".into()))?;
    if let Some(key) = job.keys().find(|key| !is_job_key(key)) {
        return Err(wrong(format!("at root: unexpected property '{key}'")));
    }
    let cron = jobs(&engine)?;
    let job = cron.add(params).await.map_err(refused)?;
    Ok(shown(&cron, &job))
}

async fn update(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let ((id, patch), cron) = (update_params(params)?, jobs(&engine)?);
    let job = cron.update(&id, patch).await.map_err(refused)?;
    Ok(shown(&cron, &job))
}

async fn remove(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let id = one("cron.remove", params)?;
    let removed = jobs(&engine)?.remove(&id).await.map_err(refused)?;
    Ok(json!({"ok": true, "removed": removed}))
}

async fn run(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let ((id, mode), cron) = (run_params(params)?, jobs(&engine)?);
    if mode == RunMode::IfEnabled {
        let job = cron.get(&id).await.map_err(refused)?;
        if job.is_some_and(|job| !job.spec.enabled) {
            return Ok(json!({"ok": true, "ran": false, "reason": "disabled"}));
        }
    }
    Ok(match cron.run(&id, mode != RunMode::Due).await.map_err(refused)? {
        Begun::Run(name) => json!({"ok": true, "enqueued": true, "runId": name}),
        Begun::Queued(name) => json!({"ok": true, "enqueued": true, "runId": name, "waits": true}),
        Begun::NotDue => json!({"ok": true, "ran": false, "reason": "not-due"}),
        Begun::Running => json!({"ok": true, "ran": false, "reason": "already-running"}),
    })
}

async fn runs(Call { engine, params, caller, .. }: Call) -> Result<Value, ErrorBody> {
    let params = RunsParams::of(params)?;
    let (job, cron) = (params.job()?, jobs(&engine)?);
    let agent_of =
        |job: &Job| job.spec.agent.clone().unwrap_or_else(|| cron.default_agent().to_owned());
    let mut wanted: Vec<(JobId, Option<Job>)> = if let Some(id) = &job {
        // A job that is gone has no runs either; its name is checked by nobody.
        match cron.get(id).await.map_err(refused)? {
            Some(job) if !params.wants_agent(&agent_of(&job)) => Vec::new(),
            found => vec![(id.clone(), found)],
        }
    } else {
        let all = cron.list().await.map_err(refused)?;
        let own = all.into_iter().filter(|job| params.wants_agent(&agent_of(job)));
        own.map(|job| (job.id.clone(), Some(job))).collect()
    };
    let is_owner = caller.may(Scope::Admin);
    let read = tokio::task::spawn_blocking(move || {
        let (fates, mut found) = (cron.fates(), Vec::new());
        for (id, job) in wanted.drain(..) {
            let hidden_in = job.as_ref().filter(|_| !is_owner);
            for run in cron.runs(&id)? {
                found.extend(ended(&fates, &run, hidden_in)?);
            }
        }
        Ok::<_, StoreError>(found)
    });
    let mut found = read.await.map_err(ErrorBody::internal)?.map_err(ErrorBody::internal)?;
    found.retain(|(_, run)| params.wants(run));
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    if params.is_ascending() {
        found.reverse();
    }
    let page = params.page(found.len());
    let shown = page.cut(&found).iter().map(|(_, value)| value.clone()).collect();
    Ok(page.around("entries", shown))
}

/// A run that has ended, and when; without what is secret in its job, where that is given.
fn ended(
    fates: &Fates,
    run: &Run,
    hidden_in: Option<&Job>,
) -> Result<Option<(Timestamp, Value)>, StoreError> {
    let Some(end) = &run.end else { return Ok(None) };
    let mut value = run_value(run, end);
    if let Some(fate) = fates.of(&end.delivery)? {
        tell_run_fate(&mut value, &fate);
    }
    if let Some(job) = hidden_in {
        value = run_without_secrets(value, job);
    }
    Ok(Some((end.at, value)))
}

/// A `jobs.json`, as it was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportParams {
    jobs: Vec<Value>,
    #[expect(dead_code, reason = "every version of it is read the same way")]
    version: Option<Value>,
}

async fn import(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let ImportParams { jobs: found, .. } = read("telson.cron.import", params)?;
    let cron = jobs(&engine)?;
    let (mut imported, mut known, mut refused_jobs) = (Vec::new(), Vec::new(), Vec::new());
    for job in found {
        let name = ["id", "name"].map(|key| job[key].as_str().unwrap_or_default().to_owned());
        let id = JobId::new(&name[0]);
        let is_known = match &id {
            Some(id) => cron.get(id).await.map_err(refused)?.is_some(),
            None => false,
        };
        if is_known {
            known.push(name[0].clone());
            continue;
        }
        match cron.add(job.clone()).await {
            Ok(job) => imported.push(job.id.to_string()),
            Err(ChangeError::Invalid(why)) => {
                refused_jobs.push(json!({"id": name[0], "name": name[1], "reason": why}));
            }
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(json!({"imported": imported, "known": known, "refused": refused_jobs}))
}

/// Jobs as this caller sees them: what is secret in them is for those who may change them.
async fn shown_to(caller: &Caller, cron: &Cron, jobs: Vec<Job>) -> Result<Vec<Value>, ErrorBody> {
    let (cron, is_owner) = (cron.clone(), caller.may(Scope::Admin));
    let read = tokio::task::spawn_blocking(move || {
        let fates = cron.fates();
        let show = |job: &Job| {
            let mut value = shown(&cron, job);
            let last = job.state.last.as_ref();
            if let Some(fate) = last.map(|last| fates.of(&last.delivery)).transpose()?.flatten() {
                tell_job_fate(&mut value, &fate);
            }
            Ok(if is_owner { value } else { without_secrets(value) })
        };
        jobs.iter().map(show).collect::<Result<Vec<_>, StoreError>>()
    });
    read.await.map_err(ErrorBody::internal)?.map_err(ErrorBody::internal)
}

/// A job with its next instants.
fn shown(cron: &Cron, job: &Job) -> Value {
    let mut value = job_value(job, cron.default_agent());
    let next: Vec<i64> = cron.upcoming(job, UPCOMING).iter().map(|at| at.0).collect();
    value["nextRunsAtMs"] = json!(next);
    value
}

fn refused(error: ChangeError) -> ErrorBody {
    let text = error.to_string();
    match error {
        ChangeError::Invalid(_) => ErrorBody::invalid(text),
        ChangeError::NotFound(_) => {
            ErrorBody::not_found(format!("{text}; `telson cron list --all` shows which there are"))
        }
        ChangeError::Unavailable(_) => ErrorBody::unavailable(text),
        ChangeError::Unknown(_) => {
            let error = ErrorBody::unavailable(text).with(json!({"code": "OUTCOME_UNKNOWN"}));
            ErrorBody { retryable: false, ..error }
        }
    }
}
