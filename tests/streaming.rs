//! Watching answers while they are made: nobody who watches holds one up, and nobody sees silence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

mod support;

#[path = "streaming/blocks.rs"]
mod blocks;
#[path = "streaming/previews.rs"]
mod previews;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use support::{Platform, builder, direct, idle};
use telson::{Builder, Engine};
use telson_actors::message::SessionKey;
use telson_actors::provider::{
    Completion, Failure, FailureClass, Part, Provider, Request, TextSink, ToolCall, ToolSpec,
    ToolStatus, Usage,
};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;
use telson_actors::stream::{Item, QUEUED_MAX, StreamEvent, StreamKind, Subscription};
use telson_actors::tool::{Invocation, Tool};
use tokio::sync::Notify;

/// What the model does in one call, piece by piece.
#[derive(Clone)]
enum Act {
    /// Says it.
    Say(&'static str),
    /// Says a letter so many times.
    Babble(usize),
    /// Waits until it is let go on.
    Wait,
    /// Asks for the tool.
    Call,
    /// Breaks off; the call is made again.
    Break,
}

/// A model that follows a script, one line for each call.
#[derive(Default)]
struct Model {
    script: Mutex<VecDeque<Vec<Act>>>,
    go_on: Notify,
}

impl Model {
    fn new(script: impl IntoIterator<Item = Vec<Act>>) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { script, ..Self::default() })
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        _: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            let acts = self.script.lock().unwrap().pop_front().unwrap();
            let mut completion = Completion::text("");
            let mut text = String::new();
            for act in acts {
                match act {
                    Act::Say(piece) => {
                        text.push_str(piece);
                        sink(piece);
                    }
                    Act::Babble(times) => {
                        for _ in 0..times {
                            text.push('x');
                            sink("x");
                        }
                    }
                    Act::Wait => self.go_on.notified().await,
                    Act::Call => completion.parts.push(Part::Call(ToolCall {
                        id: "c1".into(),
                        name: "look".into(),
                        arguments: "{}".into(),
                        signature: None,
                    })),
                    Act::Break => {
                        return Err(Failure {
                            class: FailureClass::Overloaded,
                            message: "broke off".into(),
                            retry_after: None,
                            output_started: false,
                            usage: Usage::default(),
                        });
                    }
                }
            }
            completion.parts[0] = Part::Text(text);
            Ok(completion)
        })
    }
}

/// A tool that sees something.
struct Look;

impl Tool for Look {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "look".into(),
            description: "Looks.".into(),
            parameters: serde_json::json!({"type": "object"}),
        }
    }

    fn call<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(std::future::ready(Ok("a bird".into())))
    }
}

fn with(platform: &Platform, model: &Arc<Model>) -> Builder {
    speaking(builder(platform), model)
}

/// Lets the model speak for the agent.
fn speaking(builder: Builder, model: &Arc<Model>) -> Builder {
    let agent = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    builder.agent("main", agent).provider("model", model.clone())
}

async fn engine(platform: &Platform, model: &Arc<Model>) -> Engine {
    with(platform, model).backend(Arc::new(MemoryBackend::new())).start().await.unwrap()
}

async fn event(subscription: &mut Subscription) -> StreamEvent {
    let next = tokio::time::timeout(Duration::from_secs(30), subscription.next());
    match next.await.expect("something is told") {
        Some(Item::Event(event)) => event,
        other => panic!("no event: {other:?}"),
    }
}

/// Everything until the turn has ended.
async fn turn(subscription: &mut Subscription) -> Vec<StreamKind> {
    let mut kinds = Vec::new();
    loop {
        let kind = event(subscription).await.kind;
        let is_end = matches!(kind, StreamKind::Answered { .. } | StreamKind::Failed { .. });
        kinds.push(kind);
        if is_end {
            return kinds;
        }
    }
}

fn texts(kinds: &[StreamKind]) -> Vec<&str> {
    let text = |kind: &'_ StreamKind| match kind {
        StreamKind::Text(text) => Some(text.clone()),
        _ => None,
    };
    kinds
        .iter()
        .filter(|kind| text(kind).is_some())
        .map(|kind| match kind {
            StreamKind::Text(text) => &**text,
            _ => "",
        })
        .collect()
}

fn answered(text: &str, is_sent: bool) -> StreamKind {
    StreamKind::Answered { text: text.into(), is_sent }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_come_while_the_model_still_speaks() {
    let platform = Platform::new();
    let model = Model::new([vec![Act::Say("Hel"), Act::Wait, Act::Say("lo")]]);
    let engine = engine(&platform, &model).await;
    let mut watching = engine.stream(None);
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    let begin = event(&mut watching).await;
    assert!(matches!(&begin.kind, StreamKind::Started { to } if to.target == "anna"), "{begin:?}");
    assert_eq!(event(&mut watching).await.kind, StreamKind::Answering { round: 0 });
    assert_eq!(event(&mut watching).await.kind, StreamKind::Text("Hel".into()));
    assert!(platform.sent().is_empty());
    model.go_on.notify_one();
    assert_eq!(turn(&mut watching).await, [StreamKind::Text("lo".into()), answered("Hello", true)]);
    idle(&engine).await;
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(watching.next().await, None, "a stream ends with its engine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_one_session_sees_no_other() {
    let platform = Platform::new();
    let model = Model::new([vec![Act::Say("one")], vec![Act::Say("two")]]);
    let engine = engine(&platform, &model).await;
    let session = SessionKey::parse("agent:main:fake:direct:berta").unwrap();
    let mut watching = engine.stream(Some(&session));
    for (id, person) in [("1", "anna"), ("2", "berta")] {
        engine.inject(direct(id, person, "hi")).await.unwrap();
        idle(&engine).await;
    }
    assert_eq!(texts(&turn(&mut watching).await), ["two"]);
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(watching.next().await, None);
}

// L1: a subscriber that never reads holds nothing up; it sees its gap, and the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_sleeps_misses_pieces_and_not_the_end() {
    let (platform, pieces) = (Platform::new(), 5 * QUEUED_MAX);
    let model = Model::new([vec![Act::Babble(pieces)]]);
    let engine = engine(&platform, &model).await;
    let mut sleeping = engine.stream(None);
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    // Started, answering, the pieces, and the end.
    let missed = u64::try_from(pieces + 3 - QUEUED_MAX).unwrap();
    assert_eq!(sleeping.next().await, Some(Item::Gap(missed)));
    let rest = turn(&mut sleeping).await;
    assert_eq!(rest.len(), QUEUED_MAX);
    assert_eq!(rest.last(), Some(&answered(&"x".repeat(pieces), true)));
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_neither_streamed_nor_sent_and_its_journey_says_so() {
    let platform = Platform::new();
    let model = Model::new([
        vec![Act::Say("NO_"), Act::Say("re"), Act::Say("PLY\n")],
        vec![Act::Say("No"), Act::Say(", thanks")],
    ]);
    let engine = engine(&platform, &model).await;
    let mut watching = engine.stream(None);
    engine.inject(direct("1", "anna", "be quiet")).await.unwrap();
    let first = turn(&mut watching).await;
    assert_eq!(texts(&first), [""; 0]);
    assert_eq!(first.last(), Some(&answered("NO_rePLY\n", false)));
    engine.inject(direct("2", "anna", "cake?")).await.unwrap();
    assert_eq!(texts(&turn(&mut watching).await), ["No, thanks"]);
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["No, thanks"]);
    let journey = engine.why("be quiet").await.unwrap().remove(0);
    assert_eq!(journey.state, "answered");
    assert_eq!(journey.reason.as_deref(), Some("the agent answered NO_REPLY: nothing was sent"));
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_breaks_off_is_told_before_the_next() {
    let platform = Platform::new();
    let model = Model::new([vec![Act::Say("Once u"), Act::Break], vec![Act::Say("Hello")]]);
    let engine = engine(&platform, &model).await;
    let mut watching = engine.stream(None);
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    let kinds = turn(&mut watching).await;
    let expected = [
        StreamKind::Answering { round: 0 },
        StreamKind::Text("Once u".into()),
        StreamKind::Answering { round: 0 },
        StreamKind::Text("Hello".into()),
        answered("Hello", true),
    ];
    assert_eq!(kinds[1..], expected);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_told_between_two_answers() {
    let platform = Platform::new();
    let model = Model::new([vec![Act::Say("Let me look"), Act::Call], vec![Act::Say("A bird")]]);
    let engine = with(&platform, &model)
        .tool(Arc::new(Look), &["main"])
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    let mut watching = engine.stream(None);
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    let kinds = turn(&mut watching).await;
    let tools: Vec<_> = kinds
        .iter()
        .filter_map(|kind| match kind {
            StreamKind::Tool(tool) => Some((tool.name.as_str(), tool.ended)),
            _ => None,
        })
        .collect();
    assert_eq!(tools, [("look", None), ("look", Some(ToolStatus::Done))]);
    let rounds: Vec<_> = kinds
        .iter()
        .filter_map(|kind| match kind {
            StreamKind::Answering { round } => Some(*round),
            _ => None,
        })
        .collect();
    assert_eq!(rounds, [0, 1]);
    assert_eq!(texts(&kinds), ["Let me look", "A bird"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

// What is put before an answer is put before its first part, and never before silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_says_who_speaks() {
    let platform = Platform::new();
    let long: &str = Box::leak("word ".repeat(1200).into_boxed_str());
    let model =
        Model::new([vec![Act::Say("Hello")], vec![Act::Say("no_reply")], vec![Act::Say(long)]]);
    let engine = with(&platform, &model)
        .prefix(support::account(), "[{identity.name}/{model}]")
        .name("main", "Molty")
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    for number in 0..3 {
        engine.inject(direct(&number.to_string(), "anna", "hi")).await.unwrap();
        idle(&engine).await;
    }
    let sent = platform.sent_to("anna");
    assert_eq!(sent[0], "[Molty/m] Hello");
    assert!(sent[1].starts_with("[Molty/m] word ") && sent[2].starts_with("word"), "{sent:?}");
    assert_eq!(sent.len(), 3);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_paragraph_is_a_message_where_the_account_wants_it() {
    let platform = Platform::new();
    let model = Model::new([vec![Act::Say("One\n\nTwo\n\n```\nthree\n\nfour\n```")]]);
    let engine = with(&platform, &model)
        .paragraphs(support::account())
        .prefix(support::account(), "{provider}:")
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    let sent = platform.sent_to("anna");
    assert_eq!(sent, ["model: One", "Two", "```\nthree\n\nfour\n```"]);
    engine.shutdown(Duration::from_secs(5)).await;
}
