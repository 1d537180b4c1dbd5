//! Promises about paying, neighbours and limits, judged from outside.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use support::{Behaviour, Platform, builder, direct, idle, open_access};
use telson::{Engine, Limits};
use telson_actors::clock::Timestamp;
use telson_actors::message::{AccountKey, Inbound};
use telson_actors::provider::{
    Completion, Failure, FailureClass, Provider, Request, TextSink, TurnMessage, Usage,
};
use telson_actors::router::AdmitError;
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;

/// A model that keeps its own bill.
#[derive(Default)]
struct Model {
    calls: AtomicUsize,
    failures: AtomicUsize,
    slow: Duration,
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.slow).await;
            let left = self.failures.load(Ordering::SeqCst);
            if left > 0 {
                self.failures.store(left - 1, Ordering::SeqCst);
                return Err(Failure {
                    class: FailureClass::Auth,
                    message: "the key was refused".into(),
                    retry_after: None,
                    output_started: false,
                    usage: Usage::default(),
                });
            }
            let text = request.messages.last().map(TurnMessage::plain);
            Ok(Completion::text(text.unwrap_or_default()))
        })
    }
}

fn agent() -> AgentProfile {
    AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    }
}

// D7: an answer that was recorded is never paid for again, and a turn in flight is asked once,
// however often its session asks what has become of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_paid_once() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    // Longer than a session waits before it asks again.
    let model = Arc::new(Model { slow: Duration::from_secs(6), ..Model::default() });
    let start = || {
        let builder = builder(&platform).agent("main", agent()).provider("model", model.clone());
        builder.state_dir(dir.path()).start()
    };
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    idle(&engine).await;
    engine.shutdown(Duration::from_secs(5)).await;
    drop(engine);
    let engine = start().await.unwrap();
    idle(&engine).await;
    assert_eq!(model.calls.load(Ordering::SeqCst), 1);
    assert_eq!(platform.sent_to("anna"), ["hello"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

// D2: a provider that refuses for good leaves a dead letter and a notice, and a replay answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_turn_is_shown_and_can_be_replayed() {
    let platform = Platform::new();
    let model = Arc::new(Model { failures: AtomicUsize::new(1), ..Model::default() });
    let engine = builder(&platform)
        .agent("main", agent())
        .provider("model", model)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hello")).await.unwrap();
    idle(&engine).await;
    let letters = engine.dead_letters().list().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason.name(), "provider");
    assert!(platform.sent_to("anna")[0].contains("no answer yet"));
    engine.dead_letters().replay(letters[0].id).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna")[1..], ["hello"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

// V3: one account that hangs or crashes touches no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_account_leaves_its_neighbour_alone() {
    let (broken, healthy) = (Platform::new(), Platform::new());
    broken.script((0..40).map(|_| Behaviour::Hang));
    let other = AccountKey::new("fake", "other");
    let engine = builder(&broken)
        .channel(other.clone(), Arc::new(healthy.clone()), None, open_access())
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    for number in 0..40 {
        let id = number.to_string();
        engine.inject(direct(&id, &format!("p{number}"), "into the void")).await.unwrap();
        engine.kill_actor("edge/fake/default/delivery");
        let message = Inbound::direct(&other, &id, "anna", &format!("<{number}>"), Timestamp(0));
        engine.inject(message).await.unwrap();
    }
    let answered = async {
        while healthy.sent().len() < 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered).await.expect("the neighbour goes on");
    assert!(broken.sent().is_empty());
    engine.shutdown(Duration::from_millis(100)).await;
}

// L1: beyond the limit nothing is admitted, the channel is told so, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_at_once_is_refused_and_admitted_later() {
    let platform = Platform::new();
    let model = Arc::new(Model { slow: Duration::from_millis(20), ..Model::default() });
    let limits = Limits { waiting_max: 10, provider_calls_max: 2, ..Limits::default() };
    let engine: Engine = builder(&platform)
        .agent("main", agent())
        .provider("model", model)
        .limits(limits)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    let mut refused = 0;
    for number in 0..60 {
        let message = direct(&number.to_string(), &format!("p{number}"), "hello");
        loop {
            match engine.inject(message.clone()).await {
                Ok(_) => break,
                Err(AdmitError::Busy { waiting }) => {
                    assert!(waiting >= 10);
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    idle(&engine).await;
    assert!(refused > 0, "the limit was reached");
    let (told, answers): (Vec<_>, Vec<_>) =
        platform.sent().into_iter().partition(|(_, text)| text.starts_with("I am very busy"));
    assert_eq!(answers.len(), 60);
    let people: std::collections::BTreeSet<&String> = told.iter().map(|(to, _)| to).collect();
    assert!(!told.is_empty() && people.len() == told.len(), "each person is told once: {told:?}");
    engine.shutdown(Duration::from_secs(5)).await;
}
