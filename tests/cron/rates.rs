//! Events of jobs that come too often, where those wait that can wait, and sessions that nobody comes
//! back to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use telson_actors::channel::webchat;
use telson_actors::heartbeat::{Beat, Target};
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::router::Relayed;
use telson_actors::session::exchange_prefix;
use telson_actors::store::Backend;

use crate::kit::{HOUR, MINUTE, START, World, add, greet, id, jobs, runs};
use crate::support::{direct, idle};

// Each would be a turn, and is paid by the owner.
#[tokio::test(start_paused = true)]
async fn events_that_come_every_second_are_told_now_only_as_often_as_an_agent_may_wake() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    let event = json!({
        "id": "often", "schedule": {"kind": "every", "everyMs": 1000},
        "payload": {"kind": "systemEvent", "text": "tick"},
    });
    add(&engine, event).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(jobs(&engine).remove(&id("none")).await, Ok(false));
    let said = world.model.bill().len() - 1;
    assert_eq!(said, 10, "a burst, and one more each minute: {:?}", world.model.bill());
    let ended: Vec<_> = runs(&engine, "often").into_iter().filter_map(|run| run.end).collect();
    let waits = ended.iter().filter(|end| end.summary.starts_with("rate-limited: ")).count();
    assert!(ended.iter().all(|end| end.status.name() == "ok"), "{ended:?}");
    assert_eq!(waits, ended.len() - 10);
    tokio::time::sleep(5 * MINUTE).await;
    let said = world.model.bill().len() - 1;
    assert!((14..=16).contains(&said), "{said}");
    // Nothing is lost: the next turn is told what waits.
    assert_eq!(jobs(&engine).remove(&id("often")).await, Ok(true));
    engine.inject(direct("2", "anna", "and now?")).await.unwrap();
    idle(&engine).await;
    let asked = world.model.bill().pop().unwrap();
    assert!(asked.starts_with("System: [") && asked.ends_with("tick\n\nand now?"), "{asked}");
}

// A heart that beats elsewhere would never see what waits in the main session.
#[tokio::test(start_paused = true)]
async fn an_event_that_can_wait_waits_where_the_agent_s_heart_beats() {
    let world = World::new();
    let beat = Beat {
        every: HOUR,
        session: Some("agent:main:garden".into()),
        target: Target::Channel("fake".into()),
        to: Some("owner".into()),
        ..Beat::default()
    };
    let builder = world.builder().web_chat().heartbeat("main", beat);
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let event = json!({
        "id": "later", "schedule": {"kind": "at", "at": "10m"}, "wakeMode": "next-heartbeat",
        "payload": {"kind": "systemEvent", "text": "water the roses"},
    });
    add(&engine, event).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    idle(&engine).await;
    let asked = world.model.bill();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("System: [00:10:00] water the roses\n\n"), "{asked:?}");
    assert_eq!(world.platform.sent_to("owner").len(), 1);
}

// A webhook that nobody answers leaves a session for each request.
#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_comes_back_to_is_removed_after_a_day() {
    let world = World::new();
    let engine = world.builder().web_chat().backend(Arc::new(world.memory.clone())).start();
    let engine = engine.await.unwrap();
    let sessions = ["kept", "forgotten"].map(|name| SessionKey::hook("main", name).unwrap());
    for session in &sessions {
        let account = webchat::account();
        let key = format!("hook:{session}");
        let mut inbound = Inbound::direct(&account, &key, "webhook:x", "think", START);
        inbound.reply_to = webchat::destination(session);
        let (session, agent) = (session.clone(), "main".to_owned());
        engine.relay(Relayed { session, agent, inbound, tools: None }).await.unwrap();
    }
    engine.forget_later(&sessions[1]).unwrap();
    idle(&engine).await;
    let said = |nth: usize| {
        world.memory.scan(&exchange_prefix(&sessions[nth]), None, usize::MAX).unwrap().len()
    };
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!((said(0), said(1)), (1, 1));
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!((said(0), said(1)), (1, 0));
}
