//! Turns of jobs in sessions that are there: whose they are, and what of them is stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::cron::job::Status;
use telson_actors::message::SessionKey;
use telson_actors::outbox::UnsettledSends;
use telson_actors::session::{Exchange, exchange_prefix};
use telson_actors::store::Backend;

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, World, add, greet, id, job, jobs, runs};
use crate::mortal::Mortal;
use crate::support::{account, direct, idle};

fn in_session(name: &str, target: &str) -> Value {
    let mut job = hourly(name, json!({"mode": "announce", "channel": "last"}));
    job["sessionTarget"] = json!(target);
    job
}

/// What was said in the agent's main session, as its transcript has it.
fn conversation(world: &World) -> Vec<Exchange> {
    let main = SessionKey::main("main", "main").unwrap();
    let pairs = world.memory.scan(&exchange_prefix(&main), None, usize::MAX).unwrap();
    pairs
        .iter()
        .map(|(key, bytes)| telson_actors::store::codec::decode(key, bytes).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_turn_runs_in_the_session_that_is_named_and_is_announced_once() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    let made = add(&engine, in_session("here", "session:agent:main:main")).await;
    assert_eq!(made.spec.target.as_deref(), Some("agent:main:main"));
    add(&engine, in_session("named", "session:garden")).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    idle(&engine).await;
    assert_eq!(world.instants().len(), 2);
    let said = conversation(&world);
    assert_eq!(said.len(), 2, "hello, and the job: {said:?}");
    assert!(said[1].answer.starts_with("did 2026-03-01T01:"), "{said:?}");
    let told = world.platform.sent_to("anna");
    assert_eq!(told.len(), 3, "each is announced once: {told:?}");
    let session = |name: &str| runs(&engine, name).remove(0).session.unwrap().to_string();
    assert_eq!(session("here"), "agent:main:main");
    assert_eq!(session("named"), "agent:main:garden");
    // A session of others stays when its runs are forgotten.
    tokio::time::sleep(50 * HOUR).await;
    assert!(conversation(&world).len() > 2);
}

#[tokio::test(start_paused = true)]
async fn current_is_the_session_of_whoever_makes_the_job() {
    let world = World::new();
    let engine = world.start().await;
    let mut value = in_session("j", "current");
    let error = jobs(&engine).add(value.clone()).await.unwrap_err().to_string();
    assert!(error.contains("sessionTarget current needs sessionKey"), "{error}");
    value["sessionKey"] = json!("agent:main:fake:direct:anna");
    let made = add(&engine, value).await;
    assert_eq!(made.spec.target.as_deref(), Some("agent:main:fake:direct:anna"));
    // A change of what is said leaves where it is said.
    let patch = json!({"payload": {"message": "something else"}});
    let changed = jobs(&engine).update(&id("j"), patch).await.unwrap();
    assert_eq!(changed.spec.target, made.spec.target);
    for (target, part) in [
        ("session:agent:other:main", "no session of the agent"),
        ("session:agent:main:cron:x:run:1", "goes with it"),
        ("session:", "is not supported"),
        ("somewhere", "main, isolated, current or session:<key>"),
    ] {
        let error = jobs(&engine).add(in_session("w", target)).await.unwrap_err().to_string();
        assert!(error.contains(part), "{target}: {error}");
        let patch = json!({"sessionTarget": target});
        let error = jobs(&engine).update(&id("j"), patch).await.unwrap_err().to_string();
        assert!(error.contains(part), "{target}: {error}");
    }
    let mut own_model = in_session("m", "session:main");
    own_model["payload"]["model"] = json!("model/m");
    let error = jobs(&engine).add(own_model).await.unwrap_err().to_string();
    assert!(error.contains("payload.model needs a session of its own"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_stops_nobody_elses_turn() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    let mut slow = in_session("slow", "session:main");
    slow["payload"]["timeoutSeconds"] = json!(120);
    add(&engine, slow).await;
    tokio::time::sleep(59 * MINUTE).await;
    // A person's turn holds the lane for the whole time the run has.
    world.model.takes(10 * MINUTE);
    engine.inject(direct("long", "anna", "something long")).await.unwrap();
    tokio::time::sleep(5 * MINUTE).await;
    let end = runs(&engine, "slow").remove(0).end.unwrap();
    assert_eq!(end.error.as_deref(), Some("it took longer than 120 s and was stopped"));
    assert_eq!(end.status, Status::Error);
    tokio::time::sleep(10 * MINUTE).await;
    idle(&engine).await;
    assert!(
        world.instants().is_empty(),
        "the run's message was taken back: {:?}",
        world.instants()
    );
    let told = world.platform.sent_to("anna");
    assert_eq!(told.last().map(String::as_str), Some("did something long"), "{told:?}");
    // The next one works, in the same session.
    world.model.takes(Duration::ZERO);
    tokio::time::sleep(HOUR).await;
    idle(&engine).await;
    assert_eq!(job(&engine, "slow").await.unwrap().state.errors, 0);
    assert_eq!(
        conversation(&world).last().unwrap().answer,
        *world.platform.sent_to("anna").last().unwrap()
    );
}

/// Two instants in a shared session with a death at the nth commit; `false` once the scene is over
/// before.
async fn scene(commits: i64, writes_last: bool) -> bool {
    let world = World::new();
    let builder = || world.builder().unsettled(&account(), UnsettledSends::Resend);
    let mortal = Arc::new(Mortal::new(&world.memory, writes_last));
    let engine = builder().backend(mortal.clone()).start().await.unwrap();
    greet(&engine).await;
    add(&engine, in_session("j", "session:main")).await;
    mortal.dies_in(commits);
    tokio::select! {
        _ = engine.failed() => {}
        () = tokio::time::sleep(2 * HOUR + MINUTE / 2) => {}
    }
    let died = mortal.is_dead();
    engine.shutdown(Duration::from_secs(5)).await;
    let engine = builder().backend(Arc::new(world.memory.clone())).start().await.unwrap();
    let until = crate::kit::START.plus(2 * HOUR + MINUTE);
    tokio::time::sleep(until.since(world.clock.now())).await;
    idle(&engine).await;
    jobs(&engine).update(&id("j"), json!({"enabled": false})).await.unwrap();
    let told = &world.platform.sent_to("anna")[1..];
    let different: BTreeSet<&String> = told.iter().collect();
    let what = format!("dead at commit {commits} (written: {writes_last}): {told:?}");
    assert_eq!((told.len(), different.len()), (2, 2), "{what}");
    let said = conversation(&world);
    assert_eq!(said.len(), 3, "hello and two instants, each once: {what}: {said:?}");
    died
}

#[tokio::test(start_paused = true)]
async fn dead_at_any_commit_every_instant_is_said_once_in_its_session() {
    for writes_last in [false, true] {
        let mut commits = 1;
        while scene(commits, writes_last).await {
            commits += 1;
        }
        assert!(commits > 8, "{commits}");
    }
}
