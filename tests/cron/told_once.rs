//! One instant is told once, whichever way: at once as a message, or later as an event. Whoever edits
//! a job between two lives, or asks twice at the same moment, has it told no second time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use telson::Engine;
use telson_actors::channel::webchat;
use telson_actors::heartbeat::WakeMode;
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::outbox::UnsettledSends;
use telson_actors::router::{Admission, Relayed};
use telson_actors::system_event::Added;

use crate::kit::{MINUTE, START, World, greet, id};
use crate::mortal::{Mortal, dead_at_each_commit};
use crate::sluggish::Sluggish;
use crate::support::{account, direct, idle};

fn event(mode: &str) -> Value {
    json!({
        "id": "e", "schedule": {"kind": "at", "at": START.0 + 90_000}, "wakeMode": mode,
        "payload": {"kind": "systemEvent", "text": "tick"},
    })
}

/// How often the agent was told; a turn that was cut off asks the same once more.
fn told(world: &World) -> usize {
    let asked: BTreeSet<String> = world.model.bill().into_iter().collect();
    asked.iter().map(|asked| asked.matches("tick").count()).sum()
}

/// A life that dies at its nth commit around the instant, and one whose config has another mode;
/// `false` once the scene is over before.
async fn edited(modes: [&str; 2], commits: i64, writes_last: bool) -> bool {
    let mut world = World::new();
    world.settings.declared = vec![(id("e"), event(modes[0]))];
    let builder = |world: &World| world.builder().unsettled(&account(), UnsettledSends::Resend);
    let mortal = Arc::new(Mortal::new(&world.memory, writes_last));
    let engine = builder(&world).backend(mortal.clone()).start().await.unwrap();
    greet(&engine).await;
    tokio::time::sleep(MINUTE).await;
    mortal.dies_in(commits);
    tokio::select! {
        _ = engine.failed() => {}
        () = tokio::time::sleep(MINUTE) => {}
    }
    let died = mortal.is_dead();
    engine.shutdown(Duration::from_secs(5)).await;
    world.settings.declared = vec![(id("e"), event(modes[1]))];
    let engine = builder(&world).backend(Arc::new(world.memory.clone())).start().await.unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    engine.inject(direct("2", "anna", "and now?")).await.unwrap();
    idle(&engine).await;
    let what = format!("{modes:?}, dead at commit {commits} (written: {writes_last})");
    assert_eq!(told(&world), 1, "{what}: {:?}", world.model.bill());
    died
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_job_is_changed_between_two_lives_is_told_once() {
    for modes in [["now", "next-heartbeat"], ["next-heartbeat", "now"]] {
        let scene = async |commits, writes_last| edited(modes, commits, writes_last).await;
        dead_at_each_commit(2, scene).await;
    }
}

/// Hands a message of this id in for the agent's main session.
async fn say(engine: &Engine, key: &str) -> bool {
    let (main, account) = (SessionKey::main("main", "main").unwrap(), webchat::account());
    let mut inbound = Inbound::direct(&account, key, "cron", "tick", engine.clock().now());
    inbound.reply_to = webchat::destination(&main);
    let mut admission = Admission::new(account);
    admission.relayed.push(Relayed { session: main, agent: "main".into(), inbound, tools: None });
    engine.admissions().admit(admission).await.is_ok_and(|admitted| admitted.admitted == 1)
}

/// Reports an event of this id for the same session.
async fn report(engine: &Engine, key: &str) -> bool {
    let main = SessionKey::main("main", "main").unwrap();
    let added = engine.system_event(&main, "tick", WakeMode::NextHeartbeat, Some(key)).await;
    matches!(added, Ok(Added::Waits(_)))
}

// Who is told that too much has come asks again while the first request is on its way to the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_and_an_event_of_one_id_at_the_same_moment_are_told_once() {
    for (message_ms, event_ms) in [(0, 100), (100, 0), (0, 0)] {
        let world = World::new();
        let disk = Arc::new(Sluggish::new(&world.memory));
        let engine = world.builder().blocking_backend(disk.clone()).start().await.unwrap();
        disk.slows_down();
        let behind = |ms| tokio::time::sleep(Duration::from_millis(ms));
        let (said, reported) = tokio::join!(
            async { (behind(message_ms).await, say(&engine, "hook:k").await).1 },
            async { (behind(event_ms).await, report(&engine, "hook:k").await).1 },
        );
        assert!(said != reported, "{message_ms} {event_ms}: one of both: {said}, {reported}");
        // What was refused comes again, and has been told.
        assert!(!say(&engine, "hook:k").await && !report(&engine, "hook:k").await);
        engine.inject(direct("2", "anna", "and now?")).await.unwrap();
        idle(&engine).await;
        assert_eq!(told(&world), 1, "{message_ms} {event_ms}: {:?}", world.model.bill());
        engine.shutdown(MINUTE).await;
    }
}
