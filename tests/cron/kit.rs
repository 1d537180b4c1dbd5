//! A world for jobs: a virtual clock, a platform and a model that keep their own records.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use telson::supervision::Dice;
use telson::{Builder, Engine};
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::cron::job::{Job, JobId, Run};
use telson_actors::cron::{Cron, CronSettings};
use telson_actors::message::session_key::DmScope;
use telson_actors::provider::{
    Completion, Failure, FailureClass, Provider, Request, TextSink, TurnMessage, Usage,
};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;

use crate::support::{Platform, builder, direct};

/// 2026-03-01T00:00:00Z, a Sunday.
pub(crate) const START: Timestamp = Timestamp(1_772_323_200_000);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A model that does what jobs ask, and keeps its own bill: the instants it was asked about.
#[derive(Default)]
pub(crate) struct Model {
    bill: Mutex<Vec<String>>,
    /// How the next answers fail; the last one repeats.
    failure: Mutex<Option<FailureClass>>,
    takes: Mutex<Duration>,
}

impl Model {
    pub(crate) fn bill(&self) -> Vec<String> {
        self.bill.lock().unwrap().clone()
    }

    pub(crate) fn fails(&self, class: Option<FailureClass>) {
        *self.failure.lock().unwrap() = class;
    }

    pub(crate) fn takes(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }
}

/// The instant a prompt is about, or what a person has said.
fn subject(prompt: &str) -> String {
    let line = prompt.lines().find_map(|line| line.strip_prefix("Scheduled for: "));
    line.unwrap_or(prompt).to_owned()
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            let prompt = request.messages.last().map(TurnMessage::plain).unwrap_or_default();
            let subject = subject(&prompt);
            let (takes, failure) = (*self.takes.lock().unwrap(), *self.failure.lock().unwrap());
            self.bill.lock().unwrap().push(subject.clone());
            tokio::time::sleep(takes).await;
            if let Some(class) = failure {
                return Err(Failure {
                    class,
                    message: "no luck".into(),
                    retry_after: None,
                    output_started: false,
                    usage: Usage::default(),
                });
            }
            if prompt.contains("say nothing") {
                return Ok(Completion::text("NO_REPLY"));
            }
            Ok(Completion::text(format!("did {subject}")))
        })
    }
}

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) memory: MemoryBackend,
    pub(crate) model: Arc<Model>,
    pub(crate) clock: Clock,
    pub(crate) settings: CronSettings,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            platform: Platform::new(),
            memory: MemoryBackend::new(),
            model: Arc::default(),
            clock: Clock::virtual_from(START),
            settings: CronSettings::default(),
        }
    }

    pub(crate) fn builder(&self) -> Builder {
        self.without_jobs().cron(self.settings.clone())
    }

    /// The same engine, in a life that runs no jobs.
    pub(crate) fn without_jobs(&self) -> Builder {
        builder(&self.platform)
            .rules(|rules| rules.session.dm_scope = DmScope::Main)
            .agent(
                "main",
                AgentProfile {
                    provider: "model".into(),
                    model: "m".into(),
                    system: String::new(),
                    output_tokens_max: 100,
                },
            )
            .provider("model", self.model.clone())
            .determined_by(self.clock, Dice::seeded(7))
    }

    pub(crate) async fn start(&self) -> Engine {
        self.builder().backend(Arc::new(self.memory.clone())).start().await.unwrap()
    }

    /// The instants the model was asked about, without what people have said.
    pub(crate) fn instants(&self) -> Vec<String> {
        self.model.bill().into_iter().filter(|subject| subject.ends_with('Z')).collect()
    }
}

/// Anna has written to the agent, so that there is somebody to tell.
pub(crate) async fn greet(engine: &Engine) {
    engine.inject(direct("hello", "anna", "hello")).await.unwrap();
    crate::support::idle(engine).await;
}

pub(crate) fn jobs(engine: &Engine) -> Cron {
    engine.cron().unwrap()
}

pub(crate) fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

pub(crate) async fn add(engine: &Engine, job: Value) -> Job {
    jobs(engine).add(job).await.unwrap()
}

pub(crate) async fn job(engine: &Engine, name: &str) -> Option<Job> {
    jobs(engine).get(&id(name)).await.unwrap()
}

pub(crate) fn runs(engine: &Engine, name: &str) -> Vec<Run> {
    jobs(engine).runs(&id(name)).unwrap()
}

/// `2026-03-01T01:00:00Z` for an hour behind the start.
pub(crate) fn behind(time: Duration) -> String {
    telson_actors::cron::words::moment(START.plus(time))
}
