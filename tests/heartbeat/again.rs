//! What a failed heartbeat was told is told again by itself, after a pause that grows.

use std::sync::Arc;
use std::time::Duration;

use telson::Limits;
use telson_actors::channel::webchat;
use telson_actors::heartbeat::{Beat, Target, WakeMode};

use telson_actors::message::{Inbound, SessionKey};
use telson_actors::router::Relayed;
use telson_actors::session::AgentProfile;

use crate::kit::{Does, File, Model, World, beat, main_session, next, pair, stop, until};
use crate::support::{direct, idle};

const HOUR: Duration = Duration::from_hours(1);

/// A heart that only beats when something wakes it.
fn woken() -> Beat {
    Beat { every: Duration::ZERO, ..beat() }
}

fn annas() -> SessionKey {
    SessionKey::parse("agent:main:fake:direct:anna").unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_event_is_told_again_without_anybody_asking_also_by_the_next_life() {
    for is_killed in [false, true] {
        let world = World::new(&Model::saying("fire!"), File::default());
        world.model.script([Does::Fails, Does::Fails]);
        let mut engine = world.start(woken()).await;
        let mut news = engine.heartbeats().watch();
        engine.system_event(&main_session(), "fire", WakeMode::Now, None).await.unwrap();
        assert_eq!(next(&mut news).await.0, "failed");
        if is_killed {
            stop(engine).await;
            engine = world.start(woken()).await;
            news = engine.heartbeats().watch();
        }
        assert_eq!(next(&mut news).await.0, "failed");
        assert_eq!(next(&mut news).await, pair("sent", "retry"));
        assert_eq!(world.told(), ["fire!"]);
        let passed = engine.clock().now().since(crate::kit::NOW);
        assert!((90..150).contains(&passed.as_secs()), "30 s, then a minute: {passed:?}");
        let asked = world.model.prompts();
        assert!(asked[2].starts_with("System: [08:00:00] fire\n\nSomething"), "{}", asked[2]);
        // That was it.
        tokio::time::sleep(5 * HOUR).await;
        assert_eq!(world.model.calls(), 3);
        stop(engine).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_away_is_asked_ever_more_rarely() {
    let world = World::new(&Model::saying("fire!"), File::default());
    world.model.script(vec![Does::Fails; 15]);
    let engine = world.start(woken()).await;
    engine.system_event(&main_session(), "fire", WakeMode::Now, None).await.unwrap();
    tokio::time::sleep(Duration::from_mins(25)).await;
    assert_eq!(world.model.calls(), 5, "at once, then after 30 s, 1, 5 and 15 minutes");
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(world.model.calls(), 15, "and then every hour");
    // News do not wait for that, and take along what waits.
    engine.system_event(&main_session(), "flood", WakeMode::Now, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.model.calls(), 16);
    let asked = world.model.prompts().pop().unwrap();
    assert!(asked.contains(" fire\nSystem: ") && asked.contains(" flood\n"), "{asked}");
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_person_takes_it_along_and_nobody_is_woken_for_it_then() {
    let world = World::new(&Model::saying("I know"), File::default());
    world.model.script([Does::Fails]);
    let engine = world.start(woken()).await;
    let mut news = engine.heartbeats().watch();
    engine.system_event(&annas(), "fire", WakeMode::Now, None).await.unwrap();
    assert_eq!(next(&mut news).await.0, "failed");
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(world.model.prompts()[1], "System: [08:00:00] fire\n\nhi");
    tokio::time::sleep(5 * HOUR).await;
    assert_eq!((world.model.calls(), world.told().len()), (2, 0));
    stop(engine).await;
}

// A row of heartbeats that finds nothing in its file still tells what an earlier one could not.
#[tokio::test(start_paused = true)]
async fn the_next_of_the_row_tells_it_as_well_and_a_model_with_nothing_to_say_is_let_be() {
    let world = World::new(&Model::saying("fire!"), File::default());
    world.model.script(vec![Does::Fails; 3]);
    let engine = world.start(Beat { every: Duration::from_mins(2), ..beat() }).await;
    engine.system_event(&main_session(), "fire", WakeMode::Now, None).await.unwrap();
    until("the owner is told", || world.told() == ["fire!"]).await;
    let passed = engine.clock().now().since(crate::kit::NOW).as_secs();
    assert!((120..130).contains(&passed), "the row comes before the next retry: {passed}");
    stop(engine).await;

    let world = World::new(&Model::saying(" "), File::default());
    let engine = world.start(Beat { every: Duration::from_mins(30), ..beat() }).await;
    let mut news = engine.heartbeats().watch();
    engine.system_event(&main_session(), "drizzle", WakeMode::Now, None).await.unwrap();
    assert_eq!(next(&mut news).await, pair("ok-empty", "ok-empty"));
    let calls = world.model.calls();
    tokio::time::sleep(5 * HOUR).await;
    assert_eq!(world.model.calls(), calls);
    stop(engine).await;
}

// Trying to be admitted is no turn, and costs no right to one.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_not_admitted_keeps_its_agent_s_right_to_wake() {
    let world = World::new(&Model::saying("news"), File::of("- look after the house"));
    world.model.script([Does::Hangs]);
    let other = AgentProfile {
        provider: "model".into(),
        model: "m".into(),
        system: String::new(),
        output_tokens_max: 100,
    };
    let builder = world.builder().heartbeat("main", beat()).agent("other", other);
    let builder = builder.limits(Limits { waiting_max: 1, ..Limits::default() });
    let engine = builder.backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let others = SessionKey::main("other", "main").unwrap();
    engine.relay(relayed(&others, "other", "chat:1")).await.unwrap();
    until("the other one thinks", || world.model.calls() == 1).await;
    engine.request_heartbeat("main");
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(world.model.calls(), 1, "nothing more is admitted");
    world.model.go_on.notify_one();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.told(), ["news"]);
    stop(engine).await;
}

fn relayed(session: &SessionKey, agent: &str, key: &str) -> Relayed {
    let now = crate::kit::NOW;
    let mut inbound = Inbound::direct(&webchat::account(), key, "gateway", "think", now);
    inbound.reply_to = webchat::destination(session);
    Relayed { session: session.clone(), agent: agent.to_owned(), inbound, tools: None }
}

// What the gateway's own readers saw is no place where somebody is.
#[tokio::test(start_paused = true)]
async fn the_last_place_is_one_outside_whatever_ran_in_the_session_since() {
    for key in ["manual:job:1:1", "cron:job:1", "hook:7", "chat:7"] {
        let world = World::new(&Model::saying("news"), File::of("- look after the house"));
        let last = Beat { target: Target::Last, to: None, ..woken() };
        let engine = world.start(Beat { session: Some(annas().to_string()), ..last }).await;
        engine.inject(direct("1", "anna", "hi")).await.unwrap();
        idle(&engine).await;
        engine.relay(relayed(&annas(), "main", key)).await.unwrap();
        idle(&engine).await;
        assert_eq!(world.model.calls(), 2);
        let place = engine.last_route(&annas()).unwrap().unwrap();
        assert_eq!(place.to_string(), "fake/default:anna", "{key}");
        engine.request_heartbeat("main");
        until("she is told", || world.platform.sent_to("anna").len() == 2).await;
        stop(engine).await;
    }
}

// What is offered and not waited for was never acknowledged, and may come again under another key.
#[tokio::test(start_paused = true)]
async fn a_message_whose_sender_has_left_is_not_admitted() {
    let world = World::new(&Model::saying("news"), File::default());
    let engine = world.start(woken()).await;
    {
        let offer = engine.relay(relayed(&annas(), "main", "hook:1"));
        let gone = std::future::ready(());
        tokio::select! {
            biased;
            _ = offer => panic!("the router can't have answered yet"),
            () = gone => {}
        }
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.model.calls(), 0);
    engine.relay(relayed(&annas(), "main", "hook:1")).await.unwrap();
    idle(&engine).await;
    assert_eq!(world.model.calls(), 1);
    stop(engine).await;
}
