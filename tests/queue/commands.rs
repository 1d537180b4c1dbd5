//! `/stop`, `/queue`, `/steer`, and the operator's abort.

use std::sync::Arc;

use telson::Limits;
use telson_actors::event::JourneyStep;
use telson_actors::message::SessionKey;
use telson_actors::message::session_key::DmScope;
use telson_actors::session::lane::Mode;
use telson_actors::store::MemoryBackend;

use crate::desk::{Desk, heard, received, stop, until};
use crate::support::{Platform, direct, idle};

fn memory() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_turn_and_drops_what_waits() {
    for word in ["/stop", "Stop!"] {
        let (platform, desk) = (Platform::new(), Desk::default());
        let engine =
            desk.engine(&platform, Mode::Followup).backend(memory()).start().await.unwrap();
        engine.inject(direct("1", "anna", "hang")).await.unwrap();
        until("the model is asked", || desk.asked().len() == 1).await;
        engine.inject(direct("2", "anna", "waiting")).await.unwrap();
        engine.inject(direct("3", "anna", word)).await.unwrap();
        idle(&engine).await;
        assert_eq!(platform.sent_to("anna"), ["Stopped. One waiting message was dropped."]);
        until("the call is stopped", || desk.cut() == 1).await;
        engine.inject(direct("4", "anna", "on we go")).await.unwrap();
        idle(&engine).await;
        assert_eq!(platform.sent_to("anna")[1..], ["on we go"]);
        assert_eq!(desk.asked(), [["hang"], ["on we go"]], "what was dropped is not asked");
        assert!(desk.last_whole().contains("was stopped before it was answered"));
        for text in ["hang", "waiting"] {
            let journeys = engine.why(text).await.unwrap();
            assert_eq!(journeys[0].state, "ended", "{text}");
        }
        stop(engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_to_stop_a_word_is_a_message_and_a_command_says_so() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Steer).backend(memory()).start().await.unwrap();
    for (id, text) in [("1", "stop"), ("2", "/stop")] {
        engine.inject(direct(id, "anna", text)).await.unwrap();
        idle(&engine).await;
    }
    assert_eq!(platform.sent_to("anna"), ["stop", "Nothing is running."]);
    assert_eq!(desk.asked(), [["stop"]]);
    stop(engine).await;
}

// Whoever else waits in the session is told as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_told_to_everybody_it_concerns() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk
        .engine(&platform, Mode::Steer)
        .rules(|rules| rules.session.dm_scope = DmScope::Main)
        .backend(memory())
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hang")).await.unwrap();
    until("the model is asked", || desk.asked().len() == 1).await;
    engine.inject(direct("2", "bert", "/stop")).await.unwrap();
    idle(&engine).await;
    assert_eq!(platform.sent_to("bert"), ["Stopped."]);
    let told = "This was stopped by somebody in this session before it was answered.";
    assert_eq!(platform.sent_to("anna"), [told]);
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_stops_a_session() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Steer).backend(memory()).start().await.unwrap();
    engine.inject(direct("1", "anna", "work 1")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    engine.inject(direct("2", "anna", "waiting")).await.unwrap();
    let session = SessionKey::parse("agent:main:fake:direct:anna").unwrap();
    let stopped = engine.abort(&session).await.unwrap();
    assert!(stopped.turn.is_some() && stopped.messages == 2, "{stopped:?}");
    idle(&engine).await;
    let sent = platform.sent_to("anna");
    assert!(sent[0].starts_with("This was stopped by its operator"), "{sent:?}");
    assert!(sent[0].contains("while work ran"), "{sent:?}");
    assert_eq!(sent.len(), 1, "one notice");
    until("the call is stopped", || desk.cut() == 1).await;
    let again = engine.abort(&session).await.unwrap();
    assert_eq!((again.turn, again.messages), (None, 0));
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_choice_of_queue_holds_until_it_is_taken_back() {
    let (platform, desk, memory) = (Platform::new(), Desk::default(), memory());
    let limits =
        Limits { session_idle_max: std::time::Duration::from_millis(1), ..Limits::default() };
    let start =
        || desk.engine(&platform, Mode::Followup).limits(limits).backend(memory.clone()).start();
    let engine = start().await.unwrap();
    engine.inject(direct("1", "anna", "/queue steer cap:7 debounce:2s")).await.unwrap();
    idle(&engine).await;
    stop(engine).await;
    let engine = start().await.unwrap();
    engine.inject(direct("2", "anna", "work 1")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    engine.inject(direct("3", "anna", "and this")).await.unwrap();
    let chosen = "Queue: steer debounce:2000ms cap:7 drop:summarize";
    heard(&engine, &platform, "anna").await;
    assert_eq!(platform.sent_to("anna"), [chosen, chosen], "also in its next life");
    desk.open(1);
    idle(&engine).await;
    for (id, text) in [("5", "/queue nonsense"), ("6", "/queue default")] {
        engine.inject(direct(id, "anna", text)).await.unwrap();
        idle(&engine).await;
    }
    let sent = platform.sent_to("anna");
    assert_eq!(sent[2], "work 1|and this");
    assert!(sent[3].starts_with("\"nonsense\" is no option. Try /queue steer"), "{sent:?}");
    assert_eq!(sent[4], "Queue: followup debounce:500ms cap:20 drop:summarize");
    assert_eq!(desk.asked().len(), 2, "no model has seen a command");
    assert!(!desk.last_whole().contains("/queue"));
    stop(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_may_choose_for_itself() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Followup).backend(memory()).start().await.unwrap();
    engine.inject(direct("1", "anna", "work 1")).await.unwrap();
    until("the tool runs", || desk.called().len() == 1).await;
    engine.inject(direct("2", "anna", "/steer left")).await.unwrap();
    engine.inject(direct("3", "anna", "later")).await.unwrap();
    heard(&engine, &platform, "anna").await;
    desk.open(1);
    idle(&engine).await;
    assert_eq!(received(&platform, "anna"), ["work 1|left", "later"]);
    engine.inject(direct("4", "anna", "hang")).await.unwrap();
    until("the model is asked", || desk.asked().len() == 4).await;
    engine.inject(direct("5", "anna", "/queue interrupt now this")).await.unwrap();
    idle(&engine).await;
    assert_eq!(received(&platform, "anna")[2..], ["now this"]);
    stop(engine).await;
}

// A turn that is given up leaves no call behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_call_of_a_poisoned_turn_is_stopped() {
    let (platform, desk) = (Platform::new(), Desk::default());
    let engine = desk.engine(&platform, Mode::Steer).backend(memory()).start().await.unwrap();
    let mut events = engine.events();
    engine.inject(direct("1", "anna", "hang")).await.unwrap();
    until("the model is asked", || desk.asked().len() == 1).await;
    // Each kill is a crash of the turn; the call outlives the session and is joined.
    loop {
        match events.recv().await.unwrap().kind {
            JourneyStep::TurnStarted { .. } => {
                assert!(engine.kill_actor("agent:main:fake:direct:anna"));
            }
            JourneyStep::DeadLettered { .. } => break,
            _ => {}
        }
    }
    until("its call is stopped", || desk.cut() == 1).await;
    assert_eq!(desk.asked(), [["hang"]], "it was asked once");
    stop(engine).await;
}
