//! What an agent says between its tool calls goes out at once, and once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson_actors::hook::{Decision, Hook, HookEvent, Moment};
use telson_actors::store::MemoryBackend;

use super::support::{Platform, account, direct, idle};
use super::{Act, Look, Model, with};

fn script(end: Vec<Act>) -> [Vec<Act>; 3] {
    [vec![Act::Say("Let me look"), Act::Call], vec![Act::Say("NO_REPLY"), Act::Call], end]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_go_out_before_the_end_and_belong_to_the_journey() {
    let platform = Platform::new();
    let model = Model::new(script(vec![Act::Wait, Act::Say("A bird")]));
    let engine = with(&platform, &model)
        .tool(Arc::new(Look), &["main"])
        .blocks(account())
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "what is there")).await.unwrap();
    let early = async {
        while platform.sent().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), early).await.expect("a block goes out early");
    assert_eq!(platform.sent_to("anna"), ["Let me look"]);
    model.go_on.notify_one();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["Let me look", "A bird"]);
    let journey = engine.why("what is there").await.unwrap().remove(0);
    let texts: Vec<&str> = journey.entries.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, ["Let me look", "A bird"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_wish_only_the_last_answer_goes_out() {
    let platform = Platform::new();
    let model = Model::new(script(vec![Act::Say("A bird")]));
    let engine = with(&platform, &model)
        .tool(Arc::new(Look), &["main"])
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["A bird"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

/// Lets everything pass.
struct Passes;

impl Hook for Passes {
    fn name(&self) -> &'static str {
        "passes"
    }

    fn moments(&self) -> &[Moment] {
        &[Moment::MessageSending]
    }

    fn call<'a>(&'a self, _: &'a HookEvent) -> BoxFuture<'a, Result<Decision, String>> {
        Box::pin(std::future::ready(Ok(Decision::default())))
    }
}

// D7: the turn goes on in another life, and its blocks are not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_turn_sends_no_block_again() {
    for with_hook in [false, true] {
        let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
        // The script has one line for each call that is paid for; a second life pays for the last
        // one again, whose answer nobody had.
        let mut script = script(vec![Act::Wait]).to_vec();
        script.push(vec![Act::Say("A bird")]);
        let model = Model::new(script);
        let start = || {
            let engine = with(&platform, &model).tool(Arc::new(Look), &["main"]).blocks(account());
            let hooks = with_hook.then(|| Arc::new(Passes));
            let engine = hooks.into_iter().fold(engine, |engine, hook| engine.hook(hook));
            engine.state_dir(dir.path()).start()
        };
        let engine = start().await.unwrap();
        engine.inject(direct("1", "anna", "what is there")).await.unwrap();
        let asked = async {
            while model.script.lock().unwrap().len() > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asked).await.expect("the turn goes on");
        engine.shutdown(Duration::from_millis(200)).await;
        drop(engine);
        let engine = start().await.unwrap();
        idle(&engine).await;
        assert_eq!(platform.sent_to("anna"), ["Let me look", "A bird"]);
        let journey = engine.why("what is there").await.unwrap().remove(0);
        assert_eq!(journey.entries.len(), 2, "both lives' entries are in the journey");
        engine.shutdown(Duration::from_secs(5)).await;
    }
}
