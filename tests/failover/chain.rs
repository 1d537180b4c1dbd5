//! A turn's way through its models: told once, resumed where it was, strict where chosen, and ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::{Engine, Outcome};
use telson_actors::channel::webchat;
use telson_actors::client_tool::{ClientTool, ClientTools};
use telson_actors::clock::Timestamp;
use telson_actors::event::JourneyStep;
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::provider::ToolSpec;
use telson_actors::router::Relayed;
use telson_actors::store::MemoryBackend;
use telson_actors::tool::{Invocation, Tool};

use super::server::{Act, Server};
use super::support::{Platform, direct, idle};
use super::world::{alone, chain};

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

async fn say(engine: &Engine, id: &str, text: &str) {
    engine.inject(direct(id, "anna", text)).await.unwrap();
    idle(engine).await;
}

/// The session of anna, found where the engine keeps it.
async fn session(engine: &Engine) -> SessionKey {
    let journeys = engine.why("1").await.unwrap();
    let found = journeys.iter().find_map(|journey| Some(journey.message.as_ref()?.session.clone()));
    SessionKey::parse(&found.flatten().unwrap()).unwrap()
}

// The notice comes with the transition, not with every turn; and the next turn begins with the
// selected model again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_is_for_its_turn_and_told_once() {
    let (platform, first) = (Platform::new(), Server::start(Act::Say("from the first")).await);
    let second = Server::start(Act::Say("from the second")).await;
    let engine = chain(&platform, &first, &second)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    first.script([Act::Malformed, Act::Malformed]);
    for id in ["1", "2", "3"] {
        say(&engine, id, "hi").await;
    }
    let sent = platform.sent_to("anna");
    assert!(sent[0].starts_with("[first/big can't answer"), "{sent:?}");
    assert_eq!(sent[1..], ["from the second", "from the second", "from the first"]);
    assert_eq!((first.ledger().len(), second.ledger().len()), (3, 2));
    stop(engine).await;
}

// The client's tools are called without a word; the person who reads along is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_that_hands_over_in_silence_is_told() {
    let (platform, first) = (Platform::new(), Server::start(Act::Malformed).await);
    let second = Server::start(Act::CallTool("")).await;
    let engine = chain(&platform, &first, &second)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    let (at, parameters) = (Timestamp(0), r#"{"type":"object"}"#.to_owned());
    let tool = ClientTool { name: "count".into(), description: String::new(), parameters };
    let tools = Some(ClientTools { at, tools: vec![tool], is_alone: false, must_call: false });
    let (session, agent) = (SessionKey::main("main", "main").unwrap(), "main".to_owned());
    let inbound = Inbound { account: webchat::account(), ..direct("1", "anna", "hi") };
    let relay = engine.relay(Relayed { session, agent, inbound, tools }).await.unwrap();
    idle(&engine).await;
    let outcome = engine.outcome(&relay.session, relay.message).await.unwrap();
    let Outcome::Answered { exchange, is_sent: false } = outcome else { panic!("{outcome:?}") };
    let calls: Vec<String> = exchange.handed().iter().map(|call| call.id.clone()).collect();
    assert_eq!((calls.len(), exchange.answer.as_str()), (1, ""), "{exchange:?}");
    let sent = platform.sent_to("anna");
    assert!(sent.len() == 1 && sent[0].starts_with("[first/big can't answer"), "{sent:?}");
    stop(engine).await;
}

// D7: the engine dies while the second model is asked. The next life goes on there: the first one,
// which has failed already, is not paid or waited for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_at_the_model_that_was_asked() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(529, None)).await);
    let second = Server::start(Act::Say("from the second")).await;
    second.script([Act::SayLater("never heard")]);
    let dir = tempfile::tempdir().unwrap();
    let start = || chain(&platform, &first, &second).state_dir(dir.path()).start();
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    second.asked.notified().await;
    stop(engine).await;
    let engine = start().await.unwrap();
    idle(&engine).await;
    let sent = platform.sent_to("anna");
    assert!(sent[0].contains("first/big can't answer at the moment (overloaded)"), "{sent:?}");
    assert_eq!(sent[1..], ["from the second"]);
    assert_eq!((first.ledger().len(), second.ledger().len()), (1, 2));
    stop(engine).await;
}

// D7: the session's actor dies while the second model is asked. Its next life joins that call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_dies_joins_the_call_of_the_second_model() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(529, None)).await);
    let second = Server::start(Act::SayLater("from the second")).await;
    let engine = chain(&platform, &first, &second)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    second.asked.notified().await;
    let key = session(&engine).await;
    let mut events = engine.events();
    assert!(engine.kill_actor(&key.to_string()));
    while !matches!(events.recv().await.unwrap().kind, JourneyStep::TurnStarted { .. }) {}
    // The next life has begun; by the time somebody else has come this far, it has asked.
    engine.inject(direct("2", "bert", "hi")).await.unwrap();
    second.asked.notified().await;
    second.release();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna").len(), 2, "notice and answer: {:?}", platform.sent());
    assert_eq!(second.ledger().len(), 2, "one question for each person");
    assert_eq!(first.ledger().len(), 2, "the first is not asked again for anna");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exhaustion_is_told_with_every_attempt() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(401, None)).await);
    let second = Server::start(Act::Status(402, None)).await;
    let engine = chain(&platform, &first, &second)
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    say(&engine, "1", "hi").await;
    let sent = platform.sent_to("anna").join("\n");
    let tried = "Tried: first/big (its key was refused), second/small (no credit left).";
    assert!(sent.contains(tried), "{sent}");
    let letters = engine.dead_letters().list().unwrap();
    let reason = letters[0].reason.to_string();
    for part in ["first/big (Auth, 1 times)", "second/small (Billing, 1 times)", "answered 402"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!((first.ledger().len(), second.ledger().len()), (1, 1));
    stop(engine).await;
}

// A model a person has chosen is asked alone, in this life and the next; and after it is taken back
// the chain is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chosen_model_is_strict_and_outlives_a_restart() {
    let (platform, first) = (Platform::new(), Server::start(Act::Say("from the first")).await);
    let second = Server::start(Act::Say("from the second")).await;
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        chain(&platform, &first, &second)
            .models(|catalog| {
                let small = "second/small".parse().unwrap();
                catalog.aliases.insert("quick".into(), small);
            })
            .state_dir(dir.path())
            .start()
    };
    let engine = start().await.unwrap();
    say(&engine, "1", "hi").await;
    let key = session(&engine).await;
    let refused = engine.choose_model(&key, Some("third/x")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no provider \"third\"; configured are echo, first, second"
    );
    engine.choose_model(&key, Some("quick")).await.unwrap();
    say(&engine, "2", "hi").await;
    stop(engine).await;
    let engine = start().await.unwrap();
    second.script([Act::Status(401, None)]);
    say(&engine, "3", "hi").await;
    let sent = platform.sent_to("anna");
    assert_eq!(sent[..2], ["from the first", "from the second"]);
    assert!(sent[2].contains("Tried: second/small (its key was refused)."), "{sent:?}");
    assert_eq!(first.ledger().len(), 1, "nothing stands in for a chosen model");
    engine.choose_model(&key, None).await.unwrap();
    say(&engine, "4", "hi").await;
    assert_eq!(platform.sent_to("anna")[3], "from the first");
    stop(engine).await;
}

/// A tool that counts how often it was called.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Tool for Counter {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "count".into(),
            description: "Counts.".into(),
            parameters: serde_json::json!({"type": "object"}),
        }
    }

    fn call<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        let calls = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(std::future::ready(Ok(format!("call {calls}"))))
    }
}

// D7: an answer that asked for tools is recorded; when its model fails behind it, the next model
// goes on from there, in this life and the next. Neither the answer nor the call is paid for twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_answer_is_not_paid_for_again_by_the_next_model() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(529, None)).await);
    first.script([Act::CallTool("let me count")]);
    let second = Server::start(Act::Say("from the second")).await;
    second.script([Act::SayLater("never heard")]);
    let (tool, dir) = (Arc::new(Counter::default()), tempfile::tempdir().unwrap());
    let start = || {
        let engine = chain(&platform, &first, &second).tool(tool.clone(), &["main"]);
        engine.state_dir(dir.path()).start()
    };
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    second.asked.notified().await;
    stop(engine).await;
    let engine = start().await.unwrap();
    idle(&engine).await;
    assert_eq!(first.ledger().len(), 2, "its answer, and its failure");
    assert_eq!(second.ledger().len(), 2, "once in each life");
    assert_eq!(tool.0.load(Ordering::SeqCst), 1);
    assert_eq!(platform.sent_to("anna").last().unwrap(), "from the second");
    stop(engine).await;
}

// Alone, a model is waited for as long as it asks for, within a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sole_model_is_asked_again_when_it_says() {
    let (platform, first) = (Platform::new(), Server::start(Act::Say("at last")).await);
    first.script([Act::Status(429, Some(2)), Act::Status(503, None)]);
    let engine =
        alone(&platform, &first, 1).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    let begun = tokio::time::Instant::now();
    say(&engine, "1", "hi").await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "it asked for two seconds");
    assert_eq!(platform.sent_to("anna"), ["at last"]);
    assert_eq!(first.ledger().len(), 3);
    stop(engine).await;
}
