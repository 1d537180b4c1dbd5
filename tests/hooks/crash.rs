//! Lives that end while hooks are asked: what is paid for is not paid for twice, and what a paid
//! request depends on is not decided twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use telson_actors::hook::{Decision, Moment};
use telson_actors::session::lane::{LaneSettings, Mode};
use tokio::sync::Notify;

use crate::kit::{Model, Note, Own, content, engine};
use crate::support::{Platform, direct, idle};

// D7: the model's second answer is asked for with the system prompt of the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_about_a_paid_request_outlives_the_engine() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let (model, tool) = (Arc::new(Model::default()), Arc::new(Note::default()));
    model.hangs_in.store(2, Ordering::SeqCst);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let hook = Own::new("dice", Moment::BeforeAgentStart, 0, move |_| {
        let nth = counter.fetch_add(1, Ordering::SeqCst);
        let system_prompt = Some(format!("you are number {nth}"));
        Ok(Decision { system_prompt, ..Decision::default() })
    });
    let start = || {
        let engine = engine(&platform, &model).tool(tool.clone(), &["main"]);
        engine.hook(hook.clone()).state_dir(dir.path()).start()
    };
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    model.hanging.notified().await;
    engine.shutdown(Duration::from_millis(100)).await;
    drop(engine);
    let engine = start().await.unwrap();
    idle(&engine).await;
    let systems: Vec<String> = model.bill().into_iter().map(|request| request.system).collect();
    assert_eq!(systems, ["you are number 0"; 3]);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "decided once");
    assert_eq!(tool.ledger().len(), 1);
    // The next turn is another matter.
    engine.inject(direct("2", "anna", "again")).await.unwrap();
    idle(&engine).await;
    assert_eq!(model.bill().last().unwrap().system, "you are number 1");
    engine.shutdown(Duration::from_millis(100)).await;
}

// D7: an answer is on disk before hooks are asked about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_hooks_are_asked_about_is_not_paid_for_again() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Arc::new(Model::default());
    let (asked, hanging) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let hook = {
        let (asked, hanging) = (asked.clone(), hanging.clone());
        Own::later("slow", &[Moment::MessageSending], 0, move |event| {
            let (first, text) =
                (asked.fetch_add(1, Ordering::SeqCst) == 0, crate::kit::text(event));
            let hanging = hanging.clone();
            Box::pin(async move {
                if first {
                    hanging.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(content(text + ", checked"))
            })
        })
    };
    let start = || engine(&platform, &model).hook(hook.clone()).state_dir(dir.path()).start();
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    hanging.notified().await;
    engine.shutdown(Duration::from_millis(100)).await;
    drop(engine);
    let engine = start().await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["answer to hi, checked"]);
    assert_eq!(model.bill().len(), 1, "the answer is paid for once");
    engine.shutdown(Duration::from_millis(100)).await;
}

// D7: messages that have come meanwhile join no turn that has its answer already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_answer_is_sent_though_more_messages_wait() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Arc::new(Model::default());
    let (asked, hanging) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let hook = {
        let (asked, hanging) = (asked.clone(), hanging.clone());
        Own::later("slow", &[Moment::MessageSending], 0, move |event| {
            let (first, text) =
                (asked.fetch_add(1, Ordering::SeqCst) == 0, crate::kit::text(event));
            let hanging = hanging.clone();
            Box::pin(async move {
                if first {
                    hanging.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(content(text + ", checked"))
            })
        })
    };
    let lane = LaneSettings { mode: Mode::Collect, ..LaneSettings::default() };
    let start = || {
        engine(&platform, &model).lane("", lane).hook(hook.clone()).state_dir(dir.path()).start()
    };
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    hanging.notified().await;
    engine.inject(direct("2", "anna", "more")).await.unwrap();
    engine.shutdown(Duration::from_millis(100)).await;
    drop(engine);
    let engine = start().await.unwrap();
    idle(&engine).await;
    let expected = ["answer to hi, checked", "answer to more, checked"];
    assert_eq!(platform.sent_to("anna"), expected);
    assert_eq!(model.bill().len(), 2, "each answer is paid for once");
    engine.shutdown(Duration::from_millis(100)).await;
}
