//! What runs leave behind is removed, however much it is and whatever else happens to it.

use std::time::Duration;

use serde_json::json;
use telson::Engine;
use telson_actors::channel::webchat;
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::router::{Admission, Relayed};
use telson_actors::store::Space;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, id, jobs, runs};
use crate::support::idle;

fn count(world: &World, space: Space) -> usize {
    world.memory.keys().iter().filter(|key| key.is_in(space)).count()
}

#[tokio::test(start_paused = true)]
async fn sessions_of_runs_do_not_outgrow_who_removes_them() {
    let mut world = World::new();
    world.settings.runs_max = 8;
    world.settings.session_retention = Some(MINUTE);
    let engine = world.start().await;
    for name in ["a", "b", "c", "d"] {
        let mut often = hourly(name, json!({"mode": "none"}));
        often["schedule"]["everyMs"] = json!(1000);
        add(&engine, often).await;
    }
    tokio::time::sleep(10 * MINUTE + Duration::from_secs(10)).await;
    // Some 240 a minute, and one round removes 500.
    let left = count(&world, Space::Session);
    assert!((200..500).contains(&left), "{left} of {}", world.instants().len());
    assert!(world.instants().len() > 2000);
}

#[tokio::test(start_paused = true)]
async fn the_history_of_a_job_is_shortened_however_long_it_is() {
    let world = World::new();
    let engine = world.start().await;
    let mut often = hourly("j", json!({"mode": "none"}));
    often["schedule"]["everyMs"] = json!(1000);
    add(&engine, often).await;
    // A night in which nobody looked at it.
    tokio::time::sleep(90 * MINUTE).await;
    let history = runs(&engine, "j").len();
    assert!((2000..=2310).contains(&history), "{history}");
}

#[tokio::test(start_paused = true)]
async fn the_session_of_a_run_goes_also_where_its_job_was_removed_meanwhile() {
    let world = World::new();
    world.model.takes(10 * MINUTE);
    let engine = world.start().await;
    let mut own_model = hourly("j", json!({"mode": "none"}));
    own_model["payload"]["model"] = json!("model/m");
    add(&engine, own_model).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    assert_eq!(jobs(&engine).remove(&id("j")).await, Ok(true));
    tokio::time::sleep(HOUR).await;
    assert_eq!(count(&world, Space::Model), 1, "what the session has chosen");
    tokio::time::sleep(24 * HOUR).await;
    assert_eq!(count(&world, Space::Model), 0);
}

/// Somebody says something in a session, over the gateway.
async fn say(engine: &Engine, world: &World, session: SessionKey) {
    let account = webchat::account();
    let mut inbound = Inbound::direct(&account, "chat:1", "anna", "and now?", world.clock.now());
    inbound.reply_to = webchat::destination(&session);
    let mut admission = Admission::new(account);
    admission.relayed.push(Relayed { session, agent: "main".into(), inbound, tools: None });
    engine.admissions().admit(admission).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_in_which_somebody_waits_is_removed_later() {
    let mut world = World::new();
    world.settings.session_retention = Some(MINUTE);
    let engine = world.start().await;
    let mut once = hourly("j", json!({"mode": "none"}));
    once["schedule"] = json!({"kind": "at", "at": "3m"});
    once["deleteAfterRun"] = json!(false);
    add(&engine, once).await;
    tokio::time::sleep(4 * MINUTE).await;
    world.model.takes(8 * MINUTE);
    say(&engine, &world, runs(&engine, "j").remove(0).session.unwrap()).await;
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(count(&world, Space::Session), 1, "there is a turn in it");
    tokio::time::sleep(20 * MINUTE).await;
    idle(&engine).await;
    assert_eq!(count(&world, Space::Session), 0);
}
