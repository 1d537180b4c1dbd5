//! Turns with tools: each model answer is paid once and each tool is called once, whenever the
//! engine dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

#[path = "tools/by_hand.rs"]
mod by_hand;
mod support;
#[path = "service/wire.rs"]
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use support::{Platform, builder, direct, idle, nobody_waits};
use telson::{Builder, Engine};
use telson_actors::provider::{
    Completion, Failure, Part, Provider, Request, TextSink, ToolCall, ToolSpec,
};
use telson_actors::session::AgentProfile;
use telson_actors::store::MemoryBackend;
use telson_actors::tool::{Invocation, Tool, ToolTraits};
use tokio::sync::Notify;

/// A model that asks for three tools, one after the other, and then tells what they said. It keeps
/// its own bill.
#[derive(Default)]
struct Model {
    bill: Mutex<Vec<usize>>,
    /// What every answer asks for besides: two more calls at once.
    parallel: bool,
}

impl Model {
    fn bill(&self) -> Vec<usize> {
        self.bill.lock().unwrap().clone()
    }
}

fn call(id: String, arguments: &serde_json::Value) -> Part {
    let (name, arguments) = ("count".into(), arguments.to_string());
    Part::Call(ToolCall { id, name, arguments, signature: None })
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let results: Vec<&str> = request
            .messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match part {
                Part::Result(result) => Some(result.text.as_str()),
                _ => None,
            })
            .collect();
        self.bill.lock().unwrap().push(results.len());
        let width = if self.parallel { 3 } else { 1 };
        let completion = if results.len() < 3 {
            let mut completion = Completion::text("let me count");
            for nth in 0..width {
                completion.parts.push(call(format!("c{nth}"), &json!({"by": nth + 1})));
            }
            completion
        } else {
            Completion::text(results.join("+"))
        };
        Box::pin(std::future::ready(Ok(completion)))
    }
}

/// A tool with its own ledger. It may be told to hang in its nth call.
#[derive(Default)]
struct Counter {
    ledger: Mutex<Vec<String>>,
    hang_in: AtomicUsize,
    /// The call that waits until it may go on.
    wait_in: AtomicUsize,
    go_on: Notify,
    hanging: Notify,
    is_idempotent: bool,
}

impl Counter {
    fn ledger(&self) -> Vec<String> {
        self.ledger.lock().unwrap().clone()
    }
}

impl Tool for Counter {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "count".into(),
            description: "Counts.".into(),
            parameters: json!({
                "type": "object",
                "required": ["by"],
                "properties": {"by": {"type": "integer", "minimum": 1}},
            }),
        }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: self.is_idempotent, deadline: Duration::from_secs(20) }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let calls = {
                let mut ledger = self.ledger.lock().unwrap();
                ledger.push(call.idempotency_key.clone());
                ledger.len()
            };
            if self.hang_in.load(Ordering::SeqCst) == calls {
                self.hanging.notify_one();
                std::future::pending::<()>().await;
            }
            if self.wait_in.load(Ordering::SeqCst) == calls {
                self.hanging.notify_one();
                self.go_on.notified().await;
            }
            match call.arguments["by"].as_u64() {
                Some(1) => Ok(format!("call {calls}")),
                Some(by) => Ok(format!("by {by}")),
                None => Err("no number".into()),
            }
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

fn engine(platform: &Platform, model: &Arc<Model>, tool: &Arc<Counter>) -> Builder {
    builder(platform)
        .agent("main", agent())
        .provider("model", model.clone())
        .tool(tool.clone(), &["main"])
}

async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_called_and_their_results_answered() {
    let (platform, tool) = (Platform::new(), Arc::new(Counter::default()));
    let model = Arc::new(Model::default());
    let backend = Arc::new(MemoryBackend::new());
    let engine = engine(&platform, &model, &tool).backend(backend).start().await.unwrap();
    engine.inject(direct("1", "anna", "count")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["call 1+call 2+call 3"]);
    assert_eq!(model.bill(), [0, 1, 2, 3]);
    assert_eq!(tool.ledger().len(), 3);
    // The next turn shows the model what it did.
    engine.inject(direct("2", "anna", "again")).await.unwrap();
    idle(&engine).await;
    assert_eq!(model.bill()[4..], [3]);
    nobody_waits(&engine).await;
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_answer_run_beside_each_other() {
    let (platform, tool) = (Platform::new(), Arc::new(Counter::default()));
    let model = Arc::new(Model { parallel: true, ..Model::default() });
    let backend = Arc::new(MemoryBackend::new());
    let engine = engine(&platform, &model, &tool).backend(backend).start().await.unwrap();
    engine.inject(direct("1", "anna", "count")).await.unwrap();
    idle(&engine).await;
    let answer = platform.sent_to("anna").join("");
    assert!(answer.ends_with("by 2+by 3"), "results keep the order of their calls: {answer}");
    assert_eq!((model.bill(), tool.ledger().len()), (vec![0, 3], 3));
    stop(engine).await;
}

// D7: the engine dies while a call runs. What was recorded is not asked or called again; the call
// that was cut off is reported, not repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_cut_off_is_told_and_not_repeated() {
    for hang_in in 1..=3 {
        let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
        let (model, tool) = (Arc::new(Model::default()), Arc::new(Counter::default()));
        tool.hang_in.store(hang_in, Ordering::SeqCst);
        let start = || engine(&platform, &model, &tool).state_dir(dir.path()).start();
        let engine = start().await.unwrap();
        engine.inject(direct("1", "anna", "count")).await.unwrap();
        tool.hanging.notified().await;
        stop(engine).await;
        let engine = start().await.unwrap();
        idle(&engine).await;
        let answer = platform.sent_to("anna").join("");
        assert!(answer.contains("outcome of this call is unknown"), "the model is told: {answer}");
        assert!(answer.contains("interrupted while count ran"), "the person is told: {answer}");
        assert_eq!(model.bill(), [0, 1, 2, 3], "each answer is paid once");
        let mut ledger = tool.ledger();
        assert_eq!(ledger.len(), 3, "each call is made once: {ledger:?}");
        ledger.dedup();
        assert_eq!(ledger.len(), 3, "each under a key of its own");
        stop(engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harmless_call_that_was_cut_off_is_made_again_under_its_old_key() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Arc::new(Model::default());
    let tool = Arc::new(Counter { is_idempotent: true, ..Counter::default() });
    tool.hang_in.store(2, Ordering::SeqCst);
    let start = || engine(&platform, &model, &tool).state_dir(dir.path()).start();
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "count")).await.unwrap();
    tool.hanging.notified().await;
    stop(engine).await;
    let engine = start().await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["call 1+call 3+call 4"]);
    let ledger = tool.ledger();
    assert_eq!(ledger[1], ledger[2], "the same call carries the same key");
    assert_eq!(model.bill(), [0, 1, 2, 3]);
    stop(engine).await;
}

/// A tool that does what it should not.
struct Broken;

impl Tool for Broken {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "count".into(), ..Counter::default().spec() }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { deadline: Duration::from_millis(50), ..ToolTraits::default() }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            match call.arguments["by"].as_u64() {
                Some(1) => panic!("a tool panics"),
                Some(2) => std::future::pending().await,
                _ => Ok("x".repeat(1_000_000)),
            }
        })
    }
}

// L1: a tool that panics, hangs or floods costs its call, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_tool_costs_its_call_only() {
    let platform = Platform::new();
    let model = Arc::new(Model { parallel: true, ..Model::default() });
    let engine = builder(&platform)
        .agent("main", agent())
        .provider("model", model)
        .tool(Arc::new(Broken), &["main"])
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "count")).await.unwrap();
    idle(&engine).await;
    let answer = platform.sent_to("anna").join("");
    assert!(answer.starts_with("the tool crashed"), "{answer:.80}");
    assert!(answer.contains("+stopped after 50ms"), "{answer:.300}");
    assert!(answer.contains("characters left out") && answer.len() < 20_000, "{}", answer.len());
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_nobody_granted_is_neither_shown_nor_called() {
    let (platform, tool) = (Platform::new(), Arc::new(Counter::default()));
    let engine = builder(&platform)
        .agent("main", agent())
        .provider("model", Arc::new(Model::default()))
        .tool(tool.clone(), &["other"])
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "count")).await.unwrap();
    idle(&engine).await;
    assert!(platform.sent_to("anna").join("").contains("may not use it"));
    assert!(tool.ledger().is_empty());
    stop(engine).await;
}

// Neither an orderly end nor a crash of a turn that gets further makes its message poison.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_interrupted_often_is_no_poison() {
    // In which call, counted over all lives, each life ends. In order: the same call in all of them.
    // By crashes: three times in the first call, and once more in the second.
    for (is_orderly, hangs) in [(true, &[1, 2, 3, 4, 5, 6][..]), (false, &[1, 2, 3, 5])] {
        let (platform, model) = (Platform::new(), Arc::new(Model::default()));
        let tool = Arc::new(Counter { is_idempotent: true, ..Counter::default() });
        let mut backend = MemoryBackend::new();
        let start = |backend| engine(&platform, &model, &tool).backend(backend).start();
        for hang_in in hangs {
            tool.hang_in.store(*hang_in, Ordering::SeqCst);
            let shared = Arc::new(backend);
            let engine = start(shared.clone()).await.unwrap();
            engine.inject(direct("1", "anna", "count")).await.unwrap();
            tool.hanging.notified().await;
            let crashed = shared.fork();
            stop(engine).await;
            backend = if is_orderly { shared.fork() } else { crashed };
        }
        tool.hang_in.store(0, Ordering::SeqCst);
        let engine = start(Arc::new(backend)).await.unwrap();
        idle(&engine).await;
        assert_eq!(engine.load().dead_letters, 0, "in order: {is_orderly}");
        assert_eq!(platform.sent_to("anna").len(), 1);
        assert_eq!(model.bill(), [0, 1, 2, 3]);
        stop(engine).await;
    }
}
