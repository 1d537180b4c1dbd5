//! Sessions that are begun anew, removed, and channels that are stopped: what the model is asked and
//! what the platform gets is what counts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::Engine;
use telson_actors::message::SessionKey;
use telson_actors::provider::{Completion, Failure, Provider, Request, TextSink};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;

use super::support::{Platform, builder, direct, idle};

/// A model that keeps what it was asked.
#[derive(Default)]
struct Model(Mutex<Vec<String>>);

impl Model {
    fn last(&self) -> String {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        self.0.lock().unwrap().push(format!("{:?}", request.messages));
        Box::pin(async { Ok(Completion::text("noted")) })
    }
}

async fn engine(platform: &Platform, model: &Arc<Model>, store: &Arc<MemoryBackend>) -> Engine {
    let profile = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    let builder = builder(platform).provider("model", model.clone()).agent("main", profile);
    builder.backend(store.clone()).start().await.unwrap()
}

async fn say(engine: &Engine, id: &str, text: &str) {
    engine.inject(direct(id, "anna", text)).await.unwrap();
    idle(engine).await;
}

#[tokio::test]
async fn a_session_begun_anew_knows_nothing_of_before_also_after_a_restart() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let store = Arc::new(MemoryBackend::default());
    let first = engine(&platform, &model, &store).await;
    say(&first, "1", "my name is Anna").await;
    say(&first, "2", "and I like tea").await;
    assert!(model.last().contains("my name is Anna"));
    let key = first.sessions().await.unwrap()[0].key.clone();
    let note = first.reset_session(&key).await.unwrap();
    assert_eq!(note.life, 1);
    say(&first, "3", "who am I").await;
    let asked = model.last();
    assert!(asked.contains("who am I") && !asked.contains("Anna"), "{asked}");
    first.shutdown(Duration::from_secs(5)).await;
    drop(first);

    let second = engine(&platform, &model, &store).await;
    say(&second, "4", "still").await;
    let asked = model.last();
    assert!(asked.contains("who am I") && !asked.contains("Anna"), "{asked}");
    // A repeat of an old message has no effect (D5).
    say(&second, "1", "my name is Anna").await;
    assert_eq!(platform.sent().len(), 4);
    second.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_removed_session_is_gone_from_the_list_and_begins_afresh() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let engine = engine(&platform, &model, &Arc::new(MemoryBackend::default())).await;
    say(&engine, "1", "remember the milk").await;
    let facts = engine.sessions().await.unwrap();
    assert_eq!(facts[0].opening.as_deref(), Some("remember the milk"));
    assert_eq!(facts[0].last.as_ref().unwrap().answer, "noted");
    let key = facts[0].key.clone();
    engine.note_session(&key, |note| note.label = Some("Milk".into())).await.unwrap();
    assert_eq!(engine.sessions().await.unwrap()[0].note.label.as_deref(), Some("Milk"));
    engine.remove_session(&key).await.unwrap();
    assert!(engine.sessions().await.unwrap().is_empty());
    assert!(engine.remove_session(&key).await.is_err());
    say(&engine, "2", "what did I say").await;
    assert!(!model.last().contains("milk"));
    let again = engine.sessions().await.unwrap();
    assert_eq!((again.len(), &again[0].key, &again[0].note.label), (1, &key, &None));
    engine.shutdown(Duration::from_secs(5)).await;
}

// A session that is begun anew has not crashed: whoever does it often waits for nothing.
#[tokio::test]
async fn a_session_is_begun_anew_often_and_answers_at_once() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let engine = engine(&platform, &model, &Arc::new(MemoryBackend::default())).await;
    say(&engine, "0", "the first").await;
    let key = engine.sessions().await.unwrap()[0].key.clone();
    let often = async {
        for number in 1..=12 {
            engine.reset_session(&key).await.unwrap();
            let said = format!("message {number}");
            say(&engine, &number.to_string(), &said).await;
            let asked = model.last();
            assert!(asked.contains(&said) && asked.matches("noted").count() == 0, "{asked}");
        }
        engine.remove_session(&key).await.unwrap();
        say(&engine, "13", "the last").await;
    };
    // A key that has spent its budget of crashes rests for half a minute.
    tokio::time::timeout(Duration::from_secs(20), often).await.expect("nothing rests");
    assert_eq!(platform.sent().len(), 14);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_unknown_session_is_not_reset() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let engine = engine(&platform, &model, &Arc::new(MemoryBackend::default())).await;
    let key = SessionKey::main("main", "nobody").unwrap();
    assert!(engine.reset_session(&key).await.unwrap_err().to_string().contains("nobody"));
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_stopped_account_sends_nothing_until_it_is_started_and_then_everything_once() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let engine = engine(&platform, &model, &Arc::new(MemoryBackend::default())).await;
    say(&engine, "1", "one").await;
    assert!(engine.hold_actor("edge/fake/default", true));
    let state = |engine: &Engine| {
        let tree = engine.tree();
        let edge = tree.children.iter().find(|it| it.id == "edge").unwrap().clone();
        edge.children.iter().find(|it| it.id == "fake/default").unwrap().state
    };
    until(|| state(&engine) == telson::supervision::NodeState::Stopped).await;
    engine.inject(direct("2", "anna", "two")).await.unwrap();
    until(|| engine.load().waiting == 0).await;
    assert_eq!(engine.load().undelivered, 1, "the answer waits");
    assert_eq!(platform.sent().len(), 1);
    assert!(engine.hold_actor("edge/fake/default", false));
    idle(&engine).await;
    assert_eq!(platform.sent().len(), 2);
    assert!(!engine.hold_actor("edge/nobody", true));
    engine.shutdown(Duration::from_secs(5)).await;
}

async fn until(is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("it becomes so");
}
