//! Turns of jobs in sessions that are there: whose they are, and what of them is stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::channel::webchat;
use telson_actors::cron::job::Status;
use telson_actors::inbox::dedupe_key;
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::model::choice_key;
use telson_actors::outbox::UnsettledSends;
use telson_actors::router::{Admission, Relayed};
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

// What the run has admitted can't be found any more: then it has nothing to stop, and certainly not
// the turn of a person.
#[tokio::test(start_paused = true)]
async fn a_run_that_finds_nothing_of_its_own_stops_nobody_elses_turn() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    let mut slow = in_session("slow", "session:main");
    slow["payload"]["timeoutSeconds"] = json!(120);
    add(&engine, slow).await;
    tokio::time::sleep(59 * MINUTE).await;
    world.model.takes(10 * MINUTE);
    engine.inject(direct("long", "anna", "something long")).await.unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    let run = runs(&engine, "slow").remove(0);
    let name = run.run.name(&run.job);
    world.memory.damage(&dedupe_key(&webchat::account(), &name));
    tokio::time::sleep(3 * MINUTE).await;
    let end = runs(&engine, "slow").remove(0).end.unwrap();
    let told = "it took longer than 120 s and nobody knows if it goes on";
    assert_eq!((end.status, end.error.as_deref()), (Status::Error, Some(told)));
    assert_eq!(engine.load().damaged, 1);
    tokio::time::sleep(20 * MINUTE).await;
    idle(&engine).await;
    let told = world.platform.sent_to("anna");
    assert!(told.contains(&"did something long".to_owned()), "{told:?}");
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

// The session's model is the person's: a run that was claimed for it changes nothing about that.
#[tokio::test(start_paused = true)]
async fn a_job_that_gets_its_own_model_leaves_the_model_of_a_session_of_others() {
    let mut world = World::new();
    world.settings.runs_max = 1;
    world.model.takes(10 * MINUTE);
    let engine = world.start().await;
    for (name, target, seconds) in [("first", "isolated", 10), ("second", "session:main", 20)] {
        let mut job = in_session(name, target);
        job["schedule"]["anchorMs"] = json!(crate::kit::START.0 + seconds * 1000);
        add(&engine, job).await;
    }
    tokio::time::sleep(MINUTE).await;
    let patch = json!({"sessionTarget": "isolated", "payload": {"model": "model/other"}});
    jobs(&engine).update(&id("second"), patch).await.unwrap();
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(runs(&engine, "second")[0].end.as_ref().unwrap().status, Status::Ok);
    let main = SessionKey::main("main", "main").unwrap();
    let chosen = world.memory.get(&choice_key(&main)).unwrap();
    assert!(chosen.is_none(), "the person's session has another model");
}

// A job is answered by itself, in whatever way people want their messages taken.
#[tokio::test(start_paused = true)]
async fn a_job_neither_joins_nor_interrupts_a_person() {
    for mode in ["steer", "interrupt", "collect"] {
        for by_hand in [false, true] {
            let world = World::new();
            let engine = world.start().await;
            greet(&engine).await;
            engine.inject(direct("queue", "anna", &format!("/queue {mode}"))).await.unwrap();
            add(&engine, in_session("j", "session:main")).await;
            if by_hand {
                tokio::time::sleep(30 * MINUTE).await;
            } else {
                tokio::time::sleep(59 * MINUTE).await;
            }
            world.model.takes(5 * MINUTE);
            say(&engine, &world, "a question").await;
            tokio::time::sleep(MINUTE / 2).await;
            if by_hand {
                jobs(&engine).run(&id("j"), true).await.unwrap();
            } else {
                tokio::time::sleep(MINUTE).await;
            }
            tokio::time::sleep(20 * MINUTE).await;
            idle(&engine).await;
            let said = conversation(&world);
            let what = format!("{mode}, by hand: {by_hand}: {said:?}");
            let of = |text: &str| {
                said.iter()
                    .find(|exchange| exchange.answer.starts_with(text))
                    .map(|it| it.said.len())
            };
            assert_eq!(of("did a question"), Some(1), "{what}");
            assert_eq!(of("did 2026-03-01T"), Some(1), "{what}");
        }
    }
}

/// A person at the web chat, where the answers of jobs in this session go as well.
async fn say(engine: &telson::Engine, world: &World, text: &str) {
    let (main, account) = (SessionKey::main("main", "main").unwrap(), webchat::account());
    let mut inbound = Inbound::direct(&account, "chat:1", "anna", text, world.clock.now());
    inbound.reply_to = webchat::destination(&main);
    let mut admission = Admission::new(account);
    admission.relayed.push(Relayed { session: main, agent: "main".into(), inbound, tools: None });
    engine.admissions().admit(admission).await.unwrap();
}
