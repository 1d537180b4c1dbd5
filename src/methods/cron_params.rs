//! What is asked about jobs, and which of them are meant. Pure.

use serde::Deserialize;
use serde_json::Value;
use telson_actors::cron::job::{Job, JobId};

use super::ErrorBody;
use super::params::{Count, Text, read};

/// Jobs or runs of one answer, unless another number is asked for.
const PAGE_DEFAULT: u64 = 50;
const PAGE_MAX: u64 = 200;

/// `cron.list`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct ListParams {
    include_disabled: bool,
    limit: Option<Count>,
    offset: u64,
    query: Option<String>,
    enabled: Option<Switch>,
    schedule_kind: Option<Kind>,
    last_run_status: Option<LastStatus>,
    trigger: Option<Trigger>,
    sort_by: Option<SortBy>,
    sort_dir: Option<SortDir>,
    agent_id: Option<Text>,
    /// A job is shown whole in any case: there is little of it.
    #[serde(rename = "compact")]
    _compact: Option<bool>,
    include_delivery_previews: Option<bool>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Switch {
    All,
    #[serde(rename = "enabled")]
    On,
    #[serde(rename = "disabled")]
    Off,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    All,
    At,
    Every,
    Cron,
    OnExit,
    Stream,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LastStatus {
    All,
    Ok,
    Error,
    Skipped,
    Unknown,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Trigger {
    All,
    Conditional,
    Unconditional,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
enum SortBy {
    #[default]
    #[serde(rename = "nextRunAtMs")]
    Next,
    #[serde(rename = "updatedAtMs")]
    Updated,
    #[serde(rename = "name")]
    Name,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum SortDir {
    Asc,
    Desc,
}

impl ListParams {
    /// Whether deliveries are told beside the jobs.
    pub(super) fn wants_previews(&self) -> bool {
        self.include_delivery_previews != Some(false)
    }

    /// The part that is asked for of so many.
    pub(super) fn page(&self, total: usize) -> Page {
        Page::new(self.limit, self.offset, total)
    }

    /// The jobs that are meant, in the order that is asked for; of equals the smaller id first. Each
    /// comes with how it is shown.
    pub(super) fn choose(&self, jobs: Vec<(Job, Value)>) -> Vec<(Job, Value)> {
        let mut found: Vec<_> = jobs.into_iter().filter(|(job, it)| self.wants(job, it)).collect();
        let by = self.sort_by.unwrap_or_default();
        found.sort_by(|(a, _), (b, _)| {
            // Those that wait for nothing come last.
            let next = |job: &Job| job.state.next.map_or(i64::MAX, |next| next.0);
            let order = match by {
                SortBy::Next => next(a).cmp(&next(b)),
                SortBy::Updated => a.updated_at.0.cmp(&b.updated_at.0),
                SortBy::Name => a.spec.name.to_lowercase().cmp(&b.spec.name.to_lowercase()),
            };
            let order = if self.sort_dir == Some(SortDir::Desc) { order.reverse() } else { order };
            order.then_with(|| a.id.cmp(&b.id))
        });
        found
    }

    fn wants(&self, job: &Job, shown: &Value) -> bool {
        let is_on = job.spec.enabled;
        let is_wanted = match &self.enabled {
            Some(Switch::All) => true,
            Some(Switch::On) => is_on,
            Some(Switch::Off) => !is_on,
            None => is_on || self.include_disabled,
        };
        let kind = match self.schedule_kind {
            None | Some(Kind::All) => None,
            Some(Kind::At) => Some("at"),
            Some(Kind::Every) => Some("every"),
            Some(Kind::Cron) => Some("cron"),
            Some(Kind::OnExit) => Some("on-exit"),
            Some(Kind::Stream) => Some("stream"),
        };
        let last = match self.last_run_status {
            None | Some(LastStatus::All) => None,
            Some(LastStatus::Ok) => Some("ok"),
            Some(LastStatus::Error) => Some("error"),
            Some(LastStatus::Skipped) => Some("skipped"),
            Some(LastStatus::Unknown) => Some("unknown"),
        };
        let last_shown = shown["lastRunStatus"].as_str().unwrap_or("unknown");
        let is_conditional = shown.get("trigger").is_some();
        let is_triggered = match self.trigger {
            None | Some(Trigger::All) => true,
            Some(Trigger::Conditional) => is_conditional,
            Some(Trigger::Unconditional) => !is_conditional,
        };
        let of_agent = |id: &Text| shown["effectiveAgentId"] == *id.as_str();
        is_wanted
            && is_triggered
            && kind.is_none_or(|kind| shown["schedule"]["kind"] == kind)
            && last.is_none_or(|last| last == last_shown)
            && self.agent_id.as_ref().is_none_or(of_agent)
            && self.query.as_deref().is_none_or(|query| names(shown, query))
    }
}

fn names(shown: &Value, query: &str) -> bool {
    let query = query.trim().to_lowercase();
    let text = |key: &str| shown[key].as_str().unwrap_or_default();
    text("name").to_lowercase().contains(&query) || text("id").contains(&query)
}

/// A job, by either of its names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OneParams {
    id: Option<Text>,
    job_id: Option<Text>,
}

/// The job that is asked for.
pub(super) fn one(method: &str, params: Value) -> Result<JobId, ErrorBody> {
    let OneParams { id, job_id } = read(method, params)?;
    named(method, id, job_id)
}

/// `cron.update`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UpdateParams {
    id: Option<Text>,
    job_id: Option<Text>,
    patch: Value,
}

/// The job that is to be changed, and how.
pub(super) fn update(params: Value) -> Result<(JobId, Value), ErrorBody> {
    let UpdateParams { id, job_id, patch } = read("cron.update", params)?;
    Ok((named("cron.update", id, job_id)?, patch))
}

/// `cron.run`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RunParams {
    id: Option<Text>,
    job_id: Option<Text>,
    mode: Option<RunMode>,
    expected_process_instance_id: Option<Text>,
}

/// When a job that is to be run is run.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RunMode {
    /// In any case.
    #[default]
    Force,
    /// If its time has come.
    Due,
    /// If it is switched on.
    IfEnabled,
}

/// The job that is to be run.
pub(super) fn run(params: Value) -> Result<(JobId, RunMode), ErrorBody> {
    let params: RunParams = read("cron.run", params)?;
    if params.expected_process_instance_id.is_some() {
        let why = "expectedProcessInstanceId is not supported by this gateway: a run has a name, \
                   and is begun once";
        return Err(ErrorBody::invalid(format!("invalid cron.run params: {why}")));
    }
    let id = named("cron.run", params.id, params.job_id)?;
    Ok((id, params.mode.unwrap_or_default()))
}

/// `cron.runs`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RunsParams {
    id: Option<Text>,
    job_id: Option<Text>,
    scope: Option<RunScope>,
    agent_id: Option<Text>,
    run_id: Option<Text>,
    limit: Option<Count>,
    offset: u64,
    statuses: Vec<String>,
    status: Option<String>,
    delivery_statuses: Vec<String>,
    delivery_status: Option<String>,
    query: Option<String>,
    sort_dir: Option<SortDir>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum RunScope {
    Job,
    All,
}

/// The states runs and their deliveries may have, as they are asked for.
const STATUSES: [&str; 3] = ["ok", "error", "skipped"];
const DELIVERY_STATUSES: [&str; 4] = ["delivered", "not-delivered", "unknown", "not-requested"];

impl RunsParams {
    /// Reads them, and checks what they name.
    pub(super) fn of(params: Value) -> Result<Self, ErrorBody> {
        let params: Self = read("cron.runs", params)?;
        let known = |key: &str, asked: &[&String], known: &[&str]| {
            let wrong = asked.iter().find(|it| !known.contains(&it.as_str()) && **it != "all");
            wrong.map_or(Ok(()), |it| {
                let why = format!("at {key}: {it:?} is none of {}", known.join(", "));
                Err(ErrorBody::invalid(format!("invalid cron.runs params: {why}")))
            })
        };
        let all = |one: &Option<String>, many: &[String]| -> Vec<String> {
            one.iter().chain(many).cloned().collect()
        };
        let statuses = all(&params.status, &params.statuses);
        known("status", &statuses.iter().collect::<Vec<_>>(), &STATUSES)?;
        let delivered = all(&params.delivery_status, &params.delivery_statuses);
        known("deliveryStatus", &delivered.iter().collect::<Vec<_>>(), &DELIVERY_STATUSES)?;
        Ok(params)
    }

    /// The job whose runs are asked for; none for those of all jobs.
    pub(super) fn job(&self) -> Result<Option<JobId>, ErrorBody> {
        if self.scope == Some(RunScope::All) {
            return Ok(None);
        }
        named("cron.runs", self.id.clone(), self.job_id.clone()).map(Some)
    }

    /// The part that is asked for of so many.
    pub(super) fn page(&self, total: usize) -> Page {
        Page::new(self.limit, self.offset, total)
    }

    /// Whether the oldest comes first.
    pub(super) fn is_ascending(&self) -> bool {
        self.sort_dir == Some(SortDir::Asc)
    }

    /// Whether runs of this agent are meant.
    pub(super) fn wants_agent(&self, agent: &str) -> bool {
        self.agent_id.as_ref().is_none_or(|id| id.as_str() == agent)
    }

    /// Whether this run is meant, as it is shown.
    pub(super) fn wants(&self, run: &Value) -> bool {
        let text = |key: &str| run[key].as_str().unwrap_or_default();
        let is_one = |key: &str, one: &Option<String>, many: &[String]| {
            let is = |it: &String| *it == text(key) || it == "all";
            one.as_ref().is_none_or(is) && (many.is_empty() || many.iter().any(is))
        };
        let query = self.query.as_deref().map(|query| query.trim().to_lowercase());
        let mentions = |query: &String| {
            ["jobName", "summary", "error", "jobId"]
                .iter()
                .any(|key| text(key).to_lowercase().contains(query))
        };
        is_one("status", &self.status, &self.statuses)
            && is_one("deliveryStatus", &self.delivery_status, &self.delivery_statuses)
            && self.run_id.as_ref().is_none_or(|id| id.as_str() == text("runId"))
            && query.as_ref().is_none_or(mentions)
    }
}

fn named(method: &str, id: Option<Text>, job_id: Option<Text>) -> Result<JobId, ErrorBody> {
    let wrong = |why: &str| ErrorBody::invalid(format!("invalid {method} params: {why}"));
    let id = match (id, job_id) {
        (Some(id), None) | (None, Some(id)) => id,
        (None, None) => return Err(wrong("at root: must have required property 'id'")),
        (Some(_), Some(_)) => return Err(wrong("at root: id and jobId are one: give one of them")),
    };
    JobId::new(id.as_str()).ok_or_else(|| wrong("at id: this is no id of a job"))
}

/// A part of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) total: usize,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Page {
    fn new(limit: Option<Count>, offset: u64, total: usize) -> Self {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limit = limit.map_or(PAGE_DEFAULT, Count::get).min(PAGE_MAX);
        Self { total, offset: size(offset).min(total), limit: size(limit) }
    }

    fn end(&self) -> usize {
        self.offset.saturating_add(self.limit).min(self.total)
    }

    /// Cuts it out.
    pub(super) fn cut<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        all.get(self.offset..self.end()).unwrap_or_default()
    }

    /// An answer with it.
    pub(super) fn around(&self, name: &str, shown: Vec<Value>) -> Value {
        let has_more = self.end() < self.total;
        serde_json::json!({
            name: shown,
            "total": self.total,
            "offset": self.offset,
            "limit": self.limit,
            "hasMore": has_more,
            "nextOffset": has_more.then(|| self.end()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_named_once() {
        assert_eq!(one("cron.get", json!({"id": "a"})).unwrap().as_str(), "a");
        assert_eq!(one("cron.get", json!({"jobId": "a"})).unwrap().as_str(), "a");
        for (params, part) in [
            (json!({}), "'id'"),
            (json!({"id": "a", "jobId": "b"}), "one of them"),
            (json!({"id": 7}), "at id"),
            (json!({"id": "a", "bogus": 1}), "'bogus'"),
        ] {
            let error = one("cron.get", params.clone()).unwrap_err();
            assert!(error.message.contains(part), "{params}: {}", error.message);
        }
    }

    #[test]
    fn runs_are_asked_for_by_what_became_of_them() {
        let run = json!({"status": "error", "deliveryStatus": "not-requested", "runId": "r",
            "error": "No key"});
        for (params, expected) in [
            (json!({}), true),
            (json!({"status": "all"}), true),
            (json!({"status": "ok"}), false),
            (json!({"statuses": ["ok", "error"]}), true),
            (json!({"deliveryStatuses": ["delivered"]}), false),
            (json!({"runId": "r", "query": "no KEY"}), true),
            (json!({"query": "other"}), false),
        ] {
            assert_eq!(RunsParams::of(params.clone()).unwrap().wants(&run), expected, "{params}");
        }
        for params in [json!({"status": "fine"}), json!({"limit": 0}), json!({"scope": "some"})] {
            assert!(RunsParams::of(params.clone()).is_err(), "{params}");
        }
    }
}
