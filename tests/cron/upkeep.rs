//! What runs leave behind is removed, however much it is and whatever else happens to it.

use std::time::Duration;

use serde_json::json;
use telson::Engine;
use telson_actors::channel::webchat;
use telson_actors::cron::job::{Run, RunId};
use telson_actors::cron::{job_key, run_key};
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::router::{Admission, Relayed};
use telson_actors::store::codec::encode;
use telson_actors::store::{Backend, Space, Write};

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, START, World, add, id, jobs, runs};
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
    for name in ["j", "k"] {
        add(&engine, hourly(name, json!({"mode": "none"}))).await;
        jobs(&engine).run(&id(name), true).await.unwrap();
    }
    tokio::time::sleep(MINUTE).await;
    let mut known = jobs(&engine).list().await.unwrap();
    engine.shutdown(MINUTE).await;
    // What two hours of every second leave behind, a week old.
    for name in ["j", "k"] {
        let ran = runs(&engine, name).remove(0);
        let old = START.minus(Duration::from_hours(200));
        let writes = (0..3600).map(|nth| {
            let at = old.plus(Duration::from_secs(nth));
            let run = Run { run: RunId::scheduled(at), claimed_at: at, ..ran.clone() };
            let key = run_key(&run.job, run.run);
            Write::Put(key.clone(), encode(&key, &run))
        });
        let mut writes: Vec<Write> = writes.collect();
        let mut counted = known.remove(0);
        counted.state.runs += 3600;
        writes.push(Write::Put(job_key(&id(name)), encode(&job_key(&id(name)), &counted)));
        world.memory.commit(&writes).unwrap();
    }
    let engine = world.start().await;
    tokio::time::sleep(6 * MINUTE).await;
    for name in ["j", "k"] {
        assert_eq!(runs(&engine, name).len(), 1, "{name}");
    }
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
