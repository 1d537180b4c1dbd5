//! What somebody does to the session of a run while the run goes on: removes it, begins it anew, or
//! says something in it. The run ends at once with what is true of its own message.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use telson::Engine;
use telson_actors::channel::webchat;
use telson_actors::cron::job::{Run, Status};
use telson_actors::message::{Inbound, SessionKey};
use telson_actors::outbox::UnsettledSends;
use telson_actors::router::{Admission, Relayed};

use crate::jobs::hourly;
use crate::kit::{HOUR, MINUTE, START, World, add, greet, runs};
use crate::mortal::{Mortal, dead_at_each_commit};
use crate::support::{account, idle};

/// What somebody does to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Remove,
    Reset,
}

impl Deed {
    /// Does it; a session that is not there yet stays as it is.
    async fn to(self, engine: &Engine, session: &SessionKey) {
        match self {
            Self::Remove => drop(engine.remove_session(session).await),
            Self::Reset => drop(engine.reset_session(session).await),
        }
    }
}

fn once(delivery: Value) -> Value {
    let mut job = hourly("j", delivery);
    job["schedule"] = json!({"kind": "at", "at": START.0 + 90_000});
    job["deleteAfterRun"] = json!(false);
    job
}

fn own_session() -> SessionKey {
    SessionKey::cron_run("main", "j", &(START.0 + 90_000).to_string()).unwrap()
}

/// A life that dies at its nth commit around the instant, one without jobs in which the session of
/// the run is touched, and one that goes on; `false` once the scene is over before.
async fn touched(how: Deed, commits: i64, writes_last: bool) -> bool {
    let world = World::new();
    let resend = UnsettledSends::Resend;
    let mortal = Arc::new(Mortal::new(&world.memory, writes_last));
    let builder = world.builder().unsettled(&account(), resend);
    let engine = builder.backend(mortal.clone()).start().await.unwrap();
    greet(&engine).await;
    add(&engine, once(json!({"mode": "announce", "channel": "last"}))).await;
    tokio::time::sleep(MINUTE).await;
    mortal.dies_in(commits);
    tokio::select! {
        _ = engine.failed() => {}
        () = tokio::time::sleep(MINUTE) => {}
    }
    let died = mortal.is_dead();
    engine.shutdown(Duration::from_secs(5)).await;
    let disk = || Arc::new(world.memory.clone());
    let builder = world.without_jobs().unsettled(&account(), resend);
    let engine = builder.backend(disk()).start().await.unwrap();
    tokio::time::sleep(MINUTE / 2).await;
    how.to(&engine, &own_session()).await;
    engine.shutdown(Duration::from_secs(5)).await;
    let builder = world.builder().unsettled(&account(), resend);
    let engine = builder.backend(disk()).start().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let what = format!("{how:?}, dead at commit {commits} (written: {writes_last})");
    let run = runs(&engine, "j").remove(0);
    let end = run.end.unwrap_or_else(|| panic!("{what}: it still runs"));
    assert_eq!(end.status, Status::Ok, "{what}: {end:?}");
    // What was on its way when the first life ended is looked for a while.
    tokio::time::sleep(HOUR).await;
    idle(&engine).await;
    let told = &world.platform.sent_to("anna")[1..];
    assert_eq!(told.len(), 1, "{what}: {told:?}");
    engine.shutdown(Duration::from_secs(5)).await;
    died
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_session_goes_behind_its_answer_ends_at_once_and_is_announced_once() {
    for deed in [Deed::Remove, Deed::Reset] {
        let scene = async |commits, writes_last| touched(deed, commits, writes_last).await;
        dead_at_each_commit(4, scene).await;
    }
}

/// A run under way for a minute, with a model that takes ten.
async fn under_way(world: &World) -> (Engine, Run) {
    let engine = world.start().await;
    greet(&engine).await;
    world.model.takes(10 * MINUTE);
    add(&engine, once(json!({"mode": "announce", "channel": "last"}))).await;
    tokio::time::sleep(2 * MINUTE + MINUTE / 2).await;
    let run = runs(&engine, "j").remove(0);
    assert_eq!(run.end, None);
    (engine, run)
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_session_goes_before_its_answer_was_stopped_and_says_so() {
    for deed in [Deed::Remove, Deed::Reset] {
        let world = World::new();
        let (engine, run) = under_way(&world).await;
        let session = run.session.unwrap();
        // Else nobody sees it before its first answer.
        assert!(engine.create_session(&session, "main").await.unwrap());
        deed.to(&engine, &session).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let end = runs(&engine, "j").remove(0).end.unwrap_or_else(|| panic!("{deed:?}: it runs"));
        let why = "it was stopped before it was answered";
        assert_eq!((end.status, end.error.as_deref()), (Status::Error, Some(why)), "{deed:?}");
        assert_eq!(world.platform.sent_to("anna").len(), 1, "there is nothing to announce");
        engine.shutdown(MINUTE).await;
    }
}

// It is a conversation like others for whoever opens it.
#[tokio::test(start_paused = true)]
async fn what_a_person_is_answered_in_the_session_of_a_run_is_not_announced() {
    let world = World::new();
    let (engine, run) = under_way(&world).await;
    let session = run.session.unwrap();
    let account = webchat::account();
    let mut inbound = Inbound::direct(&account, "chat:1", "anna", "how is it going?", START);
    inbound.reply_to = webchat::destination(&session);
    let mut admission = Admission::new(account);
    admission.relayed.push(Relayed { session, agent: "main".into(), inbound, tools: None });
    engine.admissions().admit(admission).await.unwrap();
    // The run's turn, and not yet the person's.
    tokio::time::sleep(10 * MINUTE).await;
    let end = runs(&engine, "j").remove(0).end.expect("it does not wait for the person's answer");
    assert_eq!(end.status, Status::Ok);
    tokio::time::sleep(HOUR).await;
    let told = &world.platform.sent_to("anna")[1..];
    assert!(told.len() == 1 && told[0].starts_with("did 2026-"), "{told:?}");
    engine.shutdown(MINUTE).await;
}
