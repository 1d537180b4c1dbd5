//! What runs, when, and where its answer goes.

use std::time::Duration;

use serde_json::{Value, json};
use telson_actors::cron::job::{Delivered, Status};
use telson_actors::cron::{Action, Begun, ChangeError};
use telson_actors::session::session_prefix;
use telson_actors::store::{Key, Space};

use crate::kit::{HOUR, MINUTE, World, add, behind, greet, id, job, jobs, runs};
use crate::support::idle;

pub(crate) fn hourly(name: &str, delivery: Value) -> Value {
    json!({
        "id": name, "name": name, "schedule": {"kind": "every", "everyMs": 3_600_000},
        "payload": {"kind": "agentTurn", "message": "do it"}, "delivery": delivery,
    })
}

fn last() -> Value {
    json!({"mode": "announce", "channel": "last"})
}

#[tokio::test(start_paused = true)]
async fn a_turn_runs_at_its_instants_and_is_announced_where_the_agent_spoke_last() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    let made = add(&engine, hourly("tell", last())).await;
    let first = made.state.next.unwrap();
    let mut events = engine.cron_events().subscribe();
    tokio::time::sleep(3 * HOUR + MINUTE).await;
    idle(&engine).await;
    let expected: Vec<String> =
        (0..3).map(|nth| telson_actors::cron::words::moment(first.plus(HOUR * nth))).collect();
    assert_eq!(world.instants(), expected);
    let told: Vec<String> = expected.iter().map(|at| format!("did {at}")).collect();
    assert_eq!(world.platform.sent_to("anna")[1..], told);
    let history = runs(&engine, "tell");
    assert_eq!(history.len(), 3);
    let end = history[0].end.as_ref().unwrap();
    assert!(end.status == Status::Ok && matches!(end.delivery, Delivered::Written { .. }));
    assert_eq!(end.model, "model/m");
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event.action);
    }
    assert_eq!(seen[..4], [Action::Started, Action::Finished, Action::Started, Action::Finished]);
}

#[tokio::test(start_paused = true)]
async fn what_is_silent_or_goes_nowhere_is_not_announced() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    add(&engine, hourly("none", json!({"mode": "none"}))).await;
    let mut quiet = hourly("quiet", last());
    quiet["payload"]["message"] = json!("say nothing");
    add(&engine, quiet).await;
    let elsewhere = json!({"mode": "announce", "channel": "fake", "to": "ben"});
    add(&engine, hourly("named", elsewhere)).await;
    tokio::time::sleep(HOUR + MINUTE).await;
    idle(&engine).await;
    assert_eq!(world.platform.sent_to("anna").len(), 1, "{:?}", world.platform.sent());
    assert_eq!(world.platform.sent_to("ben").len(), 1);
    let quiet = runs(&engine, "quiet").remove(0).end.unwrap();
    assert!(matches!(quiet.delivery, Delivered::Left(_)), "{quiet:?}");
    assert_eq!(runs(&engine, "none").remove(0).end.unwrap().delivery, Delivered::NotRequested);
}

#[tokio::test(start_paused = true)]
async fn an_event_reaches_the_main_session() {
    let world = World::new();
    let engine = world.start().await;
    greet(&engine).await;
    add(
        &engine,
        json!({
            "id": "tea", "schedule": {"kind": "at", "at": "90s"},
            "payload": {"kind": "systemEvent", "text": "tea is ready"},
        }),
    )
    .await;
    tokio::time::sleep(2 * MINUTE).await;
    idle(&engine).await;
    let said: Vec<String> = world.model.bill();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[1].starts_with("System: [00:01:3") && said[1].ends_with("] tea is ready"),
        "{said:?}"
    );
    assert_eq!(world.platform.sent_to("anna").len(), 2);
    // It ran once and is gone.
    assert_eq!(job(&engine, "tea").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_job_never_runs_beside_itself_and_jobs_wait_for_a_place() {
    let world = World::new();
    world.model.takes(Duration::from_secs(150));
    let engine = world.start().await;
    for name in ["a", "b"] {
        let mut every_minute = hourly(name, json!({"mode": "none"}));
        every_minute["schedule"]["everyMs"] = json!(60_000);
        add(&engine, every_minute).await;
    }
    tokio::time::sleep(20 * MINUTE).await;
    let mut spans: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|name| runs(&engine, name))
        .filter_map(|run| Some((run.end?.at.minus(Duration::from_secs(150)), run.run.at)))
        .collect();
    spans.sort();
    assert!(spans.len() >= 6, "{spans:?}");
    for pair in spans.windows(2) {
        assert!(pair[1].0.since(pair[0].0) >= Duration::from_secs(150), "one at a time: {spans:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_takes_too_long_is_stopped() {
    let world = World::new();
    world.model.takes(10 * HOUR);
    let engine = world.start().await;
    let mut slow = hourly("slow", last());
    slow["payload"]["timeoutSeconds"] = json!(120);
    add(&engine, slow).await;
    tokio::time::sleep(HOUR + 4 * MINUTE).await;
    let end = runs(&engine, "slow").remove(0).end.unwrap();
    assert_eq!(end.error.as_deref(), Some("it took longer than 120 s and was stopped"));
    assert_eq!((end.status, job(&engine, "slow").await.unwrap().state.errors), (Status::Error, 1));
    // The next one works again.
    world.model.takes(Duration::ZERO);
    tokio::time::sleep(HOUR).await;
    assert_eq!(runs(&engine, "slow")[1].end.as_ref().unwrap().status, Status::Ok);
    assert_eq!(job(&engine, "slow").await.unwrap().state.errors, 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_can_be_run_changed_switched_off_and_removed() {
    let world = World::new();
    let engine = world.start().await;
    let cron = jobs(&engine);
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    assert_eq!(cron.run(&id("j"), false).await, Ok(Begun::NotDue));
    let Ok(Begun::Run(name)) = cron.run(&id("j"), true).await else { panic!("it begins") };
    assert!(name.starts_with("manual:j:"), "{name}");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.instants().len(), 1);
    // Its own instants stay as they are.
    let next = job(&engine, "j").await.unwrap().state.next.unwrap();
    assert_eq!(telson_actors::cron::words::moment(next)[..16], behind(HOUR)[..16]);
    let off = cron.update(&id("j"), json!({"enabled": false})).await.unwrap();
    assert_eq!(off.state.next, None);
    tokio::time::sleep(3 * HOUR).await;
    assert_eq!(world.instants().len(), 1);
    cron.update(&id("j"), json!({"enabled": true, "schedule": {"everyMs": 60_000}})).await.unwrap();
    tokio::time::sleep(3 * MINUTE).await;
    assert!(world.instants().len() >= 3, "{:?}", world.instants());
    assert_eq!(cron.remove(&id("j")).await, Ok(true));
    assert_eq!(cron.remove(&id("j")).await, Ok(false));
    let asked = world.instants().len();
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.instants().len(), asked);
    assert!(runs(&engine, "j").is_empty());
    let missing = cron.update(&id("j"), json!({})).await;
    assert_eq!(missing, Err(ChangeError::NotFound("j".into())));
    for (wrong, part) in [
        (json!({"schedule": {"kind": "cron", "expr": "0 0 31 2 *"}}), "never comes"),
        (json!({"schedule": {"kind": "at", "at": 7}}), "schedule.at is past"),
        (json!({"agentId": "nobody"}), "there is no agent"),
    ] {
        let mut value = hourly("w", last());
        for (key, part) in wrong.as_object().unwrap() {
            value[key.as_str()] = part.clone();
        }
        let error = cron.add(value).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_and_history_do_not_stay_for_ever() {
    let world = World::new();
    let engine = world.start().await;
    add(&engine, hourly("j", json!({"mode": "none"}))).await;
    let sessions = || {
        let keys = world.memory.keys().into_iter();
        keys.filter(|key| key.is_in(Space::Session)).count()
    };
    tokio::time::sleep(24 * HOUR).await;
    assert!((22..=24).contains(&sessions()), "{}", sessions());
    tokio::time::sleep(9 * 24 * HOUR).await;
    assert!((22..=26).contains(&sessions()), "{}", sessions());
    let history = runs(&engine, "j").len();
    assert!((160..=170).contains(&history), "a week of hours: {history}");
    let left = |space| world.memory.keys().iter().filter(|key| key.is_in(space)).count();
    assert!(left(Space::Transcript) <= 26, "{}", left(Space::Transcript));
    assert!(Key::of(Space::Session) == session_prefix());
    assert_eq!(world.instants().len(), 10 * 24 - usize::from(world.instants().len() < 240));
}

#[tokio::test(start_paused = true)]
async fn jobs_of_the_config_are_kept_in_step_with_it() {
    let mut world = World::new();
    let declare = |every: u64| {
        (id("d"), {
            let mut value = hourly("d", json!({"mode": "none"}));
            value["schedule"]["everyMs"] = json!(every);
            value
        })
    };
    world.settings.declared = vec![declare(3_600_000)];
    let engine = world.start().await;
    let cron = jobs(&engine);
    // Rows of the config count from 1970, also over restarts.
    let next = job(&engine, "d").await.unwrap().state.next.unwrap();
    assert_eq!(next.0 % 3_600_000, 0);
    assert!(matches!(cron.remove(&id("d")).await, Err(ChangeError::Invalid(_))));
    cron.update(&id("d"), json!({"enabled": false})).await.unwrap();
    engine.shutdown(Duration::from_secs(5)).await;
    // What a person has said stays until the config says something else.
    let engine = world.start().await;
    assert!(!job(&engine, "d").await.unwrap().spec.enabled);
    engine.shutdown(Duration::from_secs(5)).await;
    world.settings.declared = vec![declare(60_000)];
    let engine = world.start().await;
    assert!(job(&engine, "d").await.unwrap().spec.enabled);
    engine.shutdown(Duration::from_secs(5)).await;
    world.settings.declared.clear();
    let engine = world.start().await;
    assert_eq!(job(&engine, "d").await, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_where_jobs_are_switched_off() {
    let mut world = World::new();
    world.settings.enabled = false;
    let engine = world.start().await;
    add(&engine, hourly("j", last())).await;
    tokio::time::sleep(5 * HOUR).await;
    assert!(world.model.bill().is_empty());
    assert!(matches!(jobs(&engine).run(&id("j"), true).await, Err(ChangeError::Unavailable(_))));
}
