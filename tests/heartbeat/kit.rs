//! A model with a ledger that answers as it is told, an owner on the platform, and a clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine};
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::heartbeat::{Beat, BeatStatus, Target};
use telson_actors::message::SessionKey;
use telson_actors::provider::{
    Completion, Failure, FailureClass, Provider, Request, TextSink, Usage,
};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;
use telson_supervision::Dice;
use tokio::sync::{Notify, broadcast};

use crate::support::{Platform, builder};

/// A Wednesday, 08:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_790_150_400_000);

/// What the model does with one question.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    Says(String),
    Hangs,
    Fails,
}

/// A model. It keeps every request, and answers by a script, then always the same.
pub(crate) struct Model {
    pub(crate) asked: Mutex<Vec<Request>>,
    script: Mutex<VecDeque<Does>>,
    otherwise: Does,
    pub(crate) go_on: Notify,
}

impl Model {
    pub(crate) fn saying(text: &str) -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            script: Mutex::default(),
            otherwise: Does::Says(text.into()),
            go_on: Notify::new(),
        })
    }

    pub(crate) fn script(&self, next: impl IntoIterator<Item = Does>) {
        self.script.lock().unwrap().extend(next);
    }

    /// The last message of each question.
    pub(crate) fn prompts(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|request| request.messages.last().unwrap().plain()).collect()
    }

    pub(crate) fn calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Request {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        self.asked.lock().unwrap().push(request.clone());
        let next = self.script.lock().unwrap().pop_front();
        let does = next.unwrap_or_else(|| self.otherwise.clone());
        Box::pin(async move {
            match does {
                Does::Says(text) => Ok(Completion::text(text)),
                Does::Hangs => {
                    self.go_on.notified().await;
                    Ok(Completion::text("done at last"))
                }
                Does::Fails => Err(Failure {
                    class: FailureClass::ModelNotFound,
                    message: "no such model".into(),
                    retry_after: None,
                    output_started: false,
                    usage: Usage::default(),
                }),
            }
        })
    }
}

/// What lies in the agent's `HEARTBEAT.md`.
#[derive(Clone, Default)]
pub(crate) struct File(Arc<Mutex<Option<String>>>);

impl File {
    pub(crate) fn of(text: &str) -> Self {
        Self(Arc::new(Mutex::new(Some(text.into()))))
    }

    pub(crate) fn write(&self, text: Option<&str>) {
        *self.0.lock().unwrap() = text.map(Into::into);
    }
}

/// A heart that tells the owner on the platform.
pub(crate) fn beat() -> Beat {
    Beat { target: Target::Channel("fake".into()), to: Some("owner".into()), ..Beat::default() }
}

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) model: Arc<Model>,
    pub(crate) file: File,
    pub(crate) clock: Clock,
    pub(crate) memory: MemoryBackend,
}

impl World {
    pub(crate) fn new(model: &Arc<Model>, file: File) -> Self {
        Self {
            platform: Platform::new(),
            model: model.clone(),
            file,
            clock: Clock::virtual_from(NOW),
            memory: MemoryBackend::new(),
        }
    }

    /// An engine with an agent that can talk; its heart does not beat yet.
    pub(crate) fn builder(&self) -> Builder {
        let agent = AgentProfile {
            provider: "model".into(),
            model: "m".into(),
            system: "be brief".into(),
            output_tokens_max: 100,
        };
        let file = self.file.clone();
        builder(&self.platform)
            .agent("main", agent)
            .provider("model", self.model.clone())
            .web_chat()
            .determined_by(self.clock, Dice::seeded(7))
            .heartbeats(|rules| {
                rules.file = Some(Arc::new(move |_| {
                    let text = file.0.lock().unwrap().clone();
                    Box::pin(std::future::ready(Ok(text)))
                }));
            })
    }

    pub(crate) async fn start(&self, beat: Beat) -> Engine {
        let builder = self.builder().heartbeat("main", beat);
        builder.backend(Arc::new(self.memory.clone())).start().await.unwrap()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.platform.sent_to("owner")
    }
}

pub(crate) fn main_session() -> SessionKey {
    SessionKey::main("main", "main").unwrap()
}

pub(crate) async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_secs(5)).await;
}

/// Looks until it is so; an hour of paused time has to be enough.
pub(crate) async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let looking = async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_hours(1), looking).await;
    assert!(found.is_ok(), "never: {what}");
}

/// The next status, as its outcome and reason.
pub(crate) async fn next(news: &mut broadcast::Receiver<BeatStatus>) -> (String, String) {
    let status = tokio::time::timeout(Duration::from_hours(24), news.recv()).await;
    let status = status.expect("a heartbeat within a day").unwrap();
    (status.outcome.name().into(), status.reason.unwrap_or_default())
}

pub(crate) fn pair(outcome: &str, reason: &str) -> (String, String) {
    (outcome.into(), reason.into())
}
