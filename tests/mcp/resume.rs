//! The engine ends while a call runs: what the next one makes of it.

use std::sync::Arc;
use std::time::Duration;

use telson::Engine;

use super::kit::{Model, Moody, plan, until};
use super::support::{Platform, direct, idle};

/// An engine that is stopped in its call of `tool`, and one that goes on over the same store.
async fn cut_off_in(tool: &str, moody: &Moody, offered_again: bool) -> (Engine, Platform) {
    let (platform, model) = (Platform::new(), Arc::new(Model::default()));
    let dir = tempfile::tempdir().unwrap();
    let engine = plan(&platform, &model, &[moody.server("m")]).state_dir(dir.path());
    let engine = engine.start().await.unwrap();
    engine.inject(direct("1", "anna", &format!("!m__{tool}"))).await.unwrap();
    until("the call runs", || (moody.ledger().len() == 1).then_some(())).await;
    engine.shutdown(Duration::from_millis(100)).await;
    // The last handle closes the store.
    drop(engine);
    if moody.ledger() == ["gaze"] {
        moody.mood(false);
    }
    let servers = if offered_again { vec![moody.server("m")] } else { Vec::new() };
    let engine = plan(&platform, &model, &servers).state_dir(dir.path()).start().await.unwrap();
    idle(&engine).await;
    (engine, platform)
}

// D7: a call that was cut off is not made again, and the model is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_cut_off_is_told_and_not_repeated() {
    let moody = Moody::new();
    let (engine, platform) = cut_off_in("wait", &moody, true).await;
    let answer = platform.sent_to("anna").join("\n");
    assert!(answer.contains("outcome of this call is unknown"), "{answer}");
    assert_eq!(moody.ledger(), ["wait"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harmless_call_waits_for_its_server_and_is_made_again() {
    let moody = Moody::new();
    moody.mood(true);
    let (engine, platform) = cut_off_in("gaze", &moody, true).await;
    assert_eq!(platform.sent_to("anna"), ["gazed"]);
    assert_eq!(moody.ledger(), ["gaze", "gaze"]);
    engine.shutdown(Duration::from_secs(5)).await;
}

// A tool that is gone may have taken effect all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_call_of_a_tool_that_is_gone_is_unknown_too() {
    let moody = Moody::new();
    let (engine, platform) = cut_off_in("wait", &moody, false).await;
    let answer = platform.sent_to("anna").join("\n");
    assert!(answer.contains("outcome of this call is unknown"), "{answer}");
    engine.shutdown(Duration::from_secs(5)).await;
}
