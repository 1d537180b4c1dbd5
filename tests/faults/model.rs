//! A model that does what the test wants with each message, and keeps its own bill.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Builder, Engine};
use telson_actors::dead_letter::DeadLetter;
use telson_actors::provider::{
    Completion, Failure, FailureClass, Provider, Request, TextSink, TurnMessage, Usage,
};
use telson_actors::session::AgentProfile;

/// What the model does with one call.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers with this text.
    Says(String),
    /// Fails in this class.
    Fails(FailureClass),
    /// Takes its program along.
    Panics,
    /// Never answers.
    Hangs,
    /// Streams for ever.
    Babbles,
}

type Script = dyn Fn(&str) -> (Duration, Does) + Send + Sync;

/// The model. Clones share the bill.
#[derive(Clone)]
pub(crate) struct Model {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<String>>>,
    running: Arc<AtomicUsize>,
}

impl Model {
    /// `script` gets the last message and tells how long to think, and what then.
    pub(crate) fn new(script: impl Fn(&str) -> (Duration, Does) + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), asked: Arc::default(), running: Arc::default() }
    }

    /// Repeats each message after so long.
    pub(crate) fn echo(thinking: Duration) -> Self {
        Self::new(move |text| (thinking, Does::Says(text.to_owned())))
    }

    /// Every call that has begun, by its last message.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            let said = request.messages.last().map(TurnMessage::plain);
            let said = said.unwrap_or_default();
            self.asked.lock().unwrap().push(said.clone());
            self.running.fetch_add(1, Ordering::SeqCst);
            let (thinking, does) = (self.script)(&said);
            tokio::time::sleep(thinking).await;
            match does {
                Does::Says(text) => Ok(Completion::text(text)),
                Does::Fails(class) => Err(Failure {
                    class,
                    message: "the model refuses".into(),
                    retry_after: None,
                    output_started: false,
                    usage: Usage::default(),
                }),
                Does::Panics => panic!("the client of the model panics"),
                Does::Hangs => std::future::pending().await,
                Does::Babbles => loop {
                    sink("and so on ");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                },
            }
        })
    }
}

/// An agent that asks the provider of this name.
pub(crate) fn agent(provider: &str) -> AgentProfile {
    AgentProfile {
        provider: provider.into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    }
}

/// The engine's only agent asks this model.
pub(crate) fn asking(builder: Builder, model: &Model) -> Builder {
    builder.agent("main", agent("model")).provider("model", Arc::new(model.clone()))
}

/// The dead letters, by the names of their reasons.
pub(crate) fn reasons(engine: &Engine) -> Vec<&'static str> {
    letters(engine).iter().map(|letter| letter.reason.name()).collect()
}

pub(crate) fn letters(engine: &Engine) -> Vec<DeadLetter> {
    engine.dead_letters().list().unwrap()
}

/// Looks until it holds, for at most so long by tokio's (possibly paused) clock.
pub(crate) async fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = tokio::time::timeout(limit, looking).await;
    assert!(seen.is_ok(), "after {limit:?} still waiting: {what}");
}
