//! Steer, followup, collect, interrupt.

use std::sync::Arc;
use std::time::Duration;

use telson_actors::message::session_key::DmScope;
use telson_actors::session::lane::{DropPolicy, LaneSettings, Mode};
use telson_actors::store::MemoryBackend;

use crate::desk::{Desk, heard, received, stop, until};
use crate::support::{Platform, direct, idle};

fn memory() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_steered_message_reaches_the_running_turn_between_two_rounds() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Steer).backend(memory()).start().await.unwrap();
    engine.inject(direct("1", "anna", "work 2")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    engine.inject(direct("2", "anna", "and this")).await.unwrap();
    engine.inject(direct("3", "anna", "and that")).await.unwrap();
    heard(&engine, &platform, "anna").await;
    desk.open(2);
    idle(&engine).await;
    let both = "and this\n\nand that";
    assert_eq!(desk.asked(), [vec!["work 2"], vec!["work 2", both], vec!["work 2", both]]);
    assert_eq!(received(&platform, "anna"), [format!("work 2|{both}")]);
    // The next turn is shown the whole of it once.
    engine.inject(direct("4", "anna", "next")).await.unwrap();
    idle(&engine).await;
    assert_eq!(desk.last_whole().matches("and that").count(), 2, "what was said, and the answer");
    let journeys = engine.why("and this").await.unwrap();
    assert_eq!(journeys[0].state, "answered");
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_steer_waits_for_its_own_turn() {
    for mode in [Mode::Followup, Mode::Collect] {
        let (platform, desk) = (Platform::new(), Desk::default());
        let engine = desk.engine(&platform, mode).backend(memory()).start().await.unwrap();
        engine.inject(direct("1", "anna", "work 1")).await.unwrap();
        until("the tool runs", || desk.called().len() == 1).await;
        engine.inject(direct("2", "anna", "and this")).await.unwrap();
        engine.inject(direct("3", "anna", "and that")).await.unwrap();
        desk.open(1);
        idle(&engine).await;
        let expected = match mode {
            Mode::Followup => vec!["work 1", "and this", "and that"],
            _ => vec!["work 1", "and this\n\nand that"],
        };
        assert_eq!(platform.sent_to("anna"), expected);
        stop(engine).await;
    }
}

// A turn without a further boundary can't be steered: the message is answered after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steering_and_interrupting_concern_their_own_destination_only() {
    for mode in [Mode::Steer, Mode::Interrupt] {
        let (platform, desk) = (Platform::new(), Desk::default());
        let engine = desk
            .engine(&platform, mode)
            .rules(|rules| rules.session.dm_scope = DmScope::Main)
            .backend(memory())
            .start()
            .await
            .unwrap();
        engine.inject(direct("1", "anna", "work 1")).await.unwrap();
        until("the tool runs", || desk.called().len() == 1).await;
        engine.inject(direct("2", "bert", "hello")).await.unwrap();
        desk.open(1);
        idle(&engine).await;
        assert_eq!(platform.sent_to("anna"), ["work 1"], "{mode:?}");
        assert_eq!(platform.sent_to("bert"), ["hello"], "{mode:?}");
        stop(engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupting_message_ends_the_call_of_the_model() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Interrupt).backend(memory()).start().await.unwrap();
    engine.inject(direct("1", "anna", "hang")).await.unwrap();
    until("the model is asked", || desk.asked().len() == 1).await;
    engine.inject(direct("2", "anna", "newer")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("anna"), ["newer"]);
    assert_eq!(desk.cut(), 1, "the call has ended");
    assert_eq!(desk.asked(), [["hang"], ["newer"]]);
    assert!(desk.last_whole().contains("A newer message interrupted this"), "the model is told");
    let journeys = engine.why("hang").await.unwrap();
    assert_eq!(journeys[0].state, "ended");
    assert!(journeys[0].reason.as_ref().unwrap().contains("interrupted"));
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_runs_when_its_turn_is_interrupted_is_stopped_and_told_as_unknown() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Interrupt).backend(memory()).start().await.unwrap();
    engine.inject(direct("1", "anna", "work 1")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    engine.inject(direct("2", "anna", "newer")).await.unwrap();
    idle(&engine).await;
    until("the tool is stopped", || desk.cut() == 1).await;
    assert_eq!(desk.called().len(), 1, "and not called again");
    let sent = platform.sent_to("anna");
    assert!(sent[0].contains("while work ran") && sent[0].contains("unknown"), "{sent:?}");
    assert_eq!(sent[1..], ["newer"]);
    assert!(desk.last_whole().contains("outcome of this call is unknown"), "the model is told");
    stop(engine).await;
}

// A full lane says so to the person, once, and keeps what it drops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_lane_drops_is_kept_and_told() {
    for (drop, answered) in [(DropPolicy::Old, ["b3", "b4"]), (DropPolicy::New, ["b1", "b2"])] {
        let (platform, desk) = (Platform::new(), Desk::default());
        let lane =
            LaneSettings { cap: 2, drop, patience: Duration::ZERO, ..LaneSettings::default() };
        let engine = desk
            .engine(&platform, Mode::Followup)
            .lane("", lane)
            .backend(memory())
            .start()
            .await
            .unwrap();
        engine.inject(direct("0", "anna", "work 1")).await.unwrap();
        until("the tool runs", || desk.called().len() == 1).await;
        for id in ["b1", "b2", "b3", "b4"] {
            engine.inject(direct(id, "anna", id)).await.unwrap();
        }
        until("two are dropped", || engine.load().dead_letters == 2).await;
        desk.open(1);
        idle(&engine).await;
        let mut sent = platform.sent_to("anna");
        let notice = sent.remove(0);
        assert!(notice.starts_with("More than 2 of your messages wait"), "{notice}");
        assert_eq!(sent, ["work 1", answered[0], answered[1]], "{drop:?}");
        stop(engine).await;
    }
}
