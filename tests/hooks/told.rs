//! Void hooks: told, side by side, and nobody waits for them.

use std::sync::Arc;
use std::time::Duration;

use telson_actors::hook::{Decision, HookEvent, Moment};
use tokio::sync::Notify;

use crate::kit::{Model, Note, Own, engine, start, stop};
use crate::support::{Behaviour, Platform, direct, idle};

const VOID: [Moment; 8] = [
    Moment::GatewayStart,
    Moment::GatewayStop,
    Moment::SessionStart,
    Moment::SessionEnd,
    Moment::MessageReceived,
    Moment::AgentEnd,
    Moment::AfterToolCall,
    Moment::MessageSent,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_moment_is_told_once() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let hook =
        Own::later("watcher", &VOID, 0, |_| Box::pin(std::future::ready(Ok(Decision::default()))));
    let engine = engine(&platform, &model).tool(Arc::new(Note::default()), &["main"]);
    let engine = start(engine.hook(hook.clone())).await;
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    // A repeat is no message.
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.shutdown(Duration::from_secs(5)).await;
    let mut told: Vec<Moment> = hook.seen().iter().map(HookEvent::moment).collect();
    told.sort_unstable();
    let mut expected = VOID.to_vec();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_can_never_be_sent_is_told_with_its_reason() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    platform.script([Behaviour::Reject]);
    let hook = Own::new("watcher", Moment::MessageSent, 0, |_| Ok(Decision::default()));
    let engine = start(engine(&platform, &model).hook(hook.clone())).await;
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.shutdown(Duration::from_secs(5)).await;
    let told = serde_json::to_value(&hook.seen()[0]).unwrap();
    assert_eq!((&told["hook"], &told["success"]), (&"message_sent".into(), &false.into()));
    assert!(told["error"].as_str().unwrap().contains("no such chat"), "{told}");
}

// The hooks meet each other, so they run side by side; and the turn ends while they still hang.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn void_hooks_run_side_by_side_and_hold_nobody_up() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let barrier = Arc::new(tokio::sync::Barrier::new(3));
    let (let_go, met) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut engine = engine(&platform, &model);
    for name in ["one", "two", "three"] {
        let (barrier, let_go, met) = (barrier.clone(), let_go.clone(), met.clone());
        engine = engine.hook(Own::later(name, &[Moment::MessageReceived], 0, move |_| {
            let (barrier, let_go, met) = (barrier.clone(), let_go.clone(), met.clone());
            Box::pin(async move {
                barrier.wait().await;
                met.notify_one();
                let_go.notified().await;
                Ok(Decision::default())
            })
        }));
    }
    let engine = start(engine).await;
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), met.notified()).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["answer to hi"]);
    let_go.notify_waiters();
    stop(engine).await;
}

// Isolation: one that panics costs its own run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_that_panic_fail_or_decide_nonsense_change_nothing() {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let block = Some(true);
    let engine = start(
        engine(&platform, &model)
            .hook(Own::new("panics", Moment::MessageSending, 3, |_| panic!("a hook panics")))
            .hook(Own::new("fails", Moment::MessageSending, 2, |_| Err("no".into())))
            .hook(Own::new("nonsense", Moment::MessageSending, 1, move |_| {
                Ok(Decision { block, ..Decision::default() })
            }))
            .hook(Own::new("start", Moment::BeforeAgentStart, 0, |_| panic!("another panics")))
            .hook(Own::new("told", Moment::MessageReceived, 0, |_| panic!("a third panics")))
            .hook(Own::new("good", Moment::MessageSending, 0, |event| {
                Ok(crate::kit::content(crate::kit::text(event) + "!"))
            })),
    )
    .await;
    for number in 0..5 {
        engine.inject(direct(&number.to_string(), "anna", &format!("<{number}>"))).await.unwrap();
    }
    idle(&engine).await;
    let sent = platform.sent_to("anna").concat();
    assert!((0..5).all(|number| sent.contains(&format!("<{number}>"))), "{sent}");
    assert!(sent.ends_with('!'), "the good one was asked all the same: {sent}");
    stop(engine).await;
}
