//! Jobs: seen, made, changed, run.

use serde_json::{Map, Value, json};
use telson_actors::cron::job::{Job, JobId, Run};
use telson_actors::cron::wire::{job_value, run_value};
use telson_actors::cron::{Begun, ChangeError, Cron};

use super::{Call, ErrorBody, Method, Scope};
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

/// Jobs or runs of one answer, unless another number is asked for.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 200;
/// Next instants shown of each job.
const UPCOMING: usize = 5;

fn jobs(engine: &Engine) -> Result<Cron, ErrorBody> {
    engine.cron().ok_or_else(|| ErrorBody::unavailable("this engine runs no jobs"))
}

async fn list(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let cron = jobs(&engine)?;
    let mut found = cron.list().await.map_err(refused)?;
    if !params["includeDisabled"].as_bool().unwrap_or(false) {
        found.retain(|job| job.spec.enabled);
    }
    if let Some(query) = params["query"].as_str().map(str::to_lowercase) {
        let names = |job: &Job| {
            job.spec.name.to_lowercase().contains(&query) || job.id.as_str().contains(&query)
        };
        found.retain(names);
    }
    // Those that wait for nothing come last.
    let next = |job: &Job| job.state.next.map_or(i64::MAX, |next| next.0);
    found.sort_by(|a, b| next(a).cmp(&next(b)).then_with(|| a.id.cmp(&b.id)));
    let page = Page::of(&params, found.len());
    let shown: Vec<Value> = page.cut(&found).iter().map(|job| shown(&cron, job)).collect();
    let previews = shown.iter().filter_map(|job| {
        let mode = job["delivery"]["mode"].as_str().unwrap_or("none");
        let label = if mode == "none" { "not requested" } else { mode };
        Some((job["id"].as_str()?.to_owned(), json!({"label": label, "detail": label})))
    });
    let previews: Map<String, Value> = previews.collect();
    // Pages of one list belong together: clients ask anew when another one comes with another mark.
    let ids: Vec<String> = found.iter().map(|job| format!("{job:?}")).collect();
    let revision = hash(&ids.join("\n"));
    let mut answer = page.around("jobs", shown);
    answer["snapshotRevision"] = json!(format!("sha256:{revision}"));
    answer["deliveryPreviews"] = Value::Object(previews);
    Ok(answer)
}

async fn get(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let (cron, id) = (jobs(&engine)?, job_id(&params)?);
    let job = cron.get(&id).await.map_err(refused)?;
    let job = job.ok_or_else(|| refused(ChangeError::NotFound(id.to_string())))?;
    Ok(shown(&cron, &job))
}

async fn status(Call { engine, .. }: Call) -> Result<Value, ErrorBody> {
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
    let cron = jobs(&engine)?;
    let job = cron.add(params).await.map_err(refused)?;
    Ok(shown(&cron, &job))
}

async fn update(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let (cron, id) = (jobs(&engine)?, job_id(&params)?);
    let patch = params.get("patch").cloned();
    let patch = patch.ok_or_else(|| ErrorBody::invalid("params.patch is missing"))?;
    let job = cron.update(&id, patch).await.map_err(refused)?;
    Ok(shown(&cron, &job))
}

async fn remove(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let removed = jobs(&engine)?.remove(&job_id(&params)?).await.map_err(refused)?;
    Ok(json!({"ok": true, "removed": removed}))
}

async fn run(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let id = job_id(&params)?;
    let forced = match params["mode"].as_str() {
        None | Some("force") => true,
        Some("due") => false,
        Some(other) => {
            let text = format!("params.mode: {other:?} is neither force nor due");
            return Err(ErrorBody::invalid(text));
        }
    };
    Ok(match jobs(&engine)?.run(&id, forced).await.map_err(refused)? {
        Begun::Run(name) => json!({"ok": true, "enqueued": true, "runId": name}),
        Begun::NotDue => json!({"ok": true, "ran": false, "reason": "not-due"}),
        Begun::Running => json!({"ok": true, "ran": false, "reason": "already-running"}),
    })
}

async fn runs(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let (cron, id) = (jobs(&engine)?, job_id(&params)?);
    let read = tokio::task::spawn_blocking(move || cron.runs(&id));
    let found = read.await.map_err(ErrorBody::internal)?.map_err(ErrorBody::internal)?;
    let ended = |run: &Run| run.end.as_ref().map(|end| (end.at, run_value(run, end)));
    let mut found: Vec<_> = found.iter().filter_map(ended).collect();
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let page = Page::of(&params, found.len());
    let shown = page.cut(&found).iter().map(|(_, value)| value.clone()).collect();
    Ok(page.around("entries", shown))
}

async fn import(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let cron = jobs(&engine)?;
    let Some(found) = params["jobs"].as_array() else {
        return Err(ErrorBody::invalid("params.jobs must be a list: this is no jobs.json"));
    };
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

/// A job with its next instants.
fn shown(cron: &Cron, job: &Job) -> Value {
    let mut value = job_value(job, cron.default_agent());
    let next: Vec<i64> = cron.upcoming(job, UPCOMING).iter().map(|at| at.0).collect();
    value["nextRunsAtMs"] = json!(next);
    value
}

fn job_id(params: &Value) -> Result<JobId, ErrorBody> {
    let id = params.get("id").or_else(|| params.get("jobId")).and_then(Value::as_str);
    let id = id.ok_or_else(|| ErrorBody::invalid("params.id is missing"))?;
    JobId::new(id).ok_or_else(|| ErrorBody::invalid("params.id is no id of a job"))
}

fn refused(error: ChangeError) -> ErrorBody {
    let text = error.to_string();
    match error {
        ChangeError::Invalid(_) => ErrorBody::invalid(text),
        ChangeError::NotFound(_) => {
            ErrorBody::not_found(format!("{text}; `telson cron list --all` shows which there are"))
        }
        ChangeError::Unavailable(_) => ErrorBody::unavailable(text),
    }
}

/// A part of a list.
struct Page {
    total: usize,
    offset: usize,
    limit: usize,
}

impl Page {
    fn of(params: &Value, total: usize) -> Self {
        let number = |key: &str| {
            params[key].as_u64().map(|number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        let limit = number("limit").unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        Self { total, offset: number("offset").unwrap_or(0).min(total), limit }
    }

    fn end(&self) -> usize {
        self.offset.saturating_add(self.limit).min(self.total)
    }

    fn cut<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        all.get(self.offset..self.end()).unwrap_or_default()
    }

    fn around(&self, name: &str, shown: Vec<Value>) -> Value {
        let has_more = self.end() < self.total;
        json!({
            name: shown,
            "total": self.total,
            "offset": self.offset,
            "limit": self.limit,
            "hasMore": has_more,
            "nextOffset": has_more.then(|| self.end()),
        })
    }
}
