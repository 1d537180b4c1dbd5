//! A model and a tool with ledgers, and hooks made of closures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::{Builder, Engine};
use telson_actors::hook::{Decision, Hook, HookEvent, Moment};
use telson_actors::provider::{
    Completion, Failure, Part, Provider, Request, TextSink, ToolCall, ToolSpec,
};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;
use telson_actors::tool::{Invocation, Tool};
use tokio::sync::Notify;

use crate::support::{Platform, builder};

/// A model that calls the tool once if it has one, then tells what came of it. It keeps its bill.
#[derive(Default)]
pub(crate) struct Model {
    bill: Mutex<Vec<Request>>,
    /// The call that never ends, counting from 1; 0 for none.
    pub(crate) hangs_in: AtomicUsize,
    pub(crate) hanging: Notify,
}

impl Model {
    /// Every request, in order.
    pub(crate) fn bill(&self) -> Vec<Request> {
        self.bill.lock().unwrap().clone()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let calls = {
            let mut bill = self.bill.lock().unwrap();
            bill.push(request.clone());
            bill.len()
        };
        let last = request.messages.last().cloned();
        let said = last.iter().flat_map(|message| &message.parts).find_map(|part| match part {
            Part::Result(result) => Some(result.text.clone()),
            _ => None,
        });
        let completion = match said {
            None if !request.tools.is_empty() => {
                let mut completion = Completion::text("one moment");
                completion.parts.push(Part::Call(ToolCall {
                    id: "c".into(),
                    name: "note".into(),
                    arguments: json!({"text": "the original"}).to_string(),
                    signature: None,
                }));
                completion
            }
            None => Completion::text(format!(
                "answer to {}",
                last.map(|message| message.plain()).unwrap_or_default()
            )),
            Some(said) => Completion::text(said),
        };
        let hangs = self.hangs_in.load(Ordering::SeqCst) == calls;
        Box::pin(async move {
            if hangs {
                self.hanging.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(completion)
        })
    }
}

/// A tool that writes down what it is given.
#[derive(Default)]
pub(crate) struct Note(Mutex<Vec<String>>);

impl Note {
    pub(crate) fn ledger(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Tool for Note {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "note".into(),
            description: "Notes.".into(),
            parameters: json!({
                "type": "object",
                "required": ["text"],
                "properties": {"text": {"type": "string"}},
            }),
        }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        let text = call.arguments["text"].as_str().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push(text.clone());
        Box::pin(std::future::ready(Ok(format!("noted: {text}"))))
    }
}

type Answer = dyn Fn(&HookEvent) -> BoxFuture<'static, Result<Decision, String>> + Send + Sync;

/// A hook in the embedding program, with its own ledger.
pub(crate) struct Own {
    name: &'static str,
    moments: Vec<Moment>,
    priority: i32,
    deadline: Duration,
    answer: Box<Answer>,
    seen: Mutex<Vec<HookEvent>>,
}

impl Own {
    /// One that answers at once.
    pub(crate) fn new(
        name: &'static str,
        moment: Moment,
        priority: i32,
        answer: impl Fn(&HookEvent) -> Result<Decision, String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let answer = move |event: &HookEvent| -> BoxFuture<'static, _> {
            Box::pin(std::future::ready(answer(event)))
        };
        Self::later(name, &[moment], priority, answer)
    }

    /// One that takes its time.
    pub(crate) fn later(
        name: &'static str,
        moments: &[Moment],
        priority: i32,
        answer: impl Fn(&HookEvent) -> BoxFuture<'static, Result<Decision, String>>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        let (moments, deadline) = (moments.to_vec(), Duration::from_secs(20));
        let (answer, seen) = (Box::new(answer), Mutex::default());
        Arc::new(Self { name, moments, priority, deadline, answer, seen })
    }

    /// What it was told, in order.
    pub(crate) fn seen(&self) -> Vec<HookEvent> {
        self.seen.lock().unwrap().clone()
    }
}

impl Hook for Own {
    fn name(&self) -> &str {
        self.name
    }

    fn moments(&self) -> &[Moment] {
        &self.moments
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn call<'a>(&'a self, event: &'a HookEvent) -> BoxFuture<'a, Result<Decision, String>> {
        self.seen.lock().unwrap().push(event.clone());
        (self.answer)(event)
    }
}

/// Another text.
pub(crate) fn content(text: impl Into<String>) -> Decision {
    Decision { content: Some(text.into()), ..Decision::default() }
}

/// The text an event carries, where it carries one.
pub(crate) fn text(event: &HookEvent) -> String {
    match event {
        HookEvent::MessageSending { content, .. }
        | HookEvent::ToolResultPersist { content, .. } => content.clone(),
        other => panic!("{other:?} carries no text"),
    }
}

/// An engine with the model.
pub(crate) fn engine(platform: &Platform, model: &Arc<Model>) -> Builder {
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: "be brief".into(),
        output_tokens_max: 100,
    };
    builder(platform).agent("main", agent).provider("model", model.clone())
}

/// One that forgets.
pub(crate) async fn start(builder: Builder) -> Engine {
    builder.backend(Arc::new(MemoryBackend::new())).start().await.unwrap()
}

pub(crate) async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(500)).await;
}
