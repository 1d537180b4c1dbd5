//! What becomes of a heartbeat's answer, and what it leaves behind.

use std::time::Duration;

use telson_actors::context::ContextRules;
use telson_actors::heartbeat::{Beat, Target, VisibilityRules, WakeMode};
use telson_actors::model::ModelRef;
use telson_actors::provider::TurnMessage;

use crate::kit::{Does, File, Model, World, beat, main_session, next, pair, stop, until};
use crate::support::{account, direct, idle};

const HALF: Duration = Duration::from_mins(30);

fn says(text: &str) -> Does {
    Does::Says(text.into())
}

#[tokio::test(start_paused = true)]
async fn what_is_well_is_kept_back_and_what_is_news_is_sent_once_a_day() {
    let world = World::new(&Model::saying("the cat is hungry"), File::of("- the cat"));
    let long = format!("{} HEARTBEAT_OK", "word ".repeat(70));
    world.model.script([
        says("HEARTBEAT_OK"),
        says("all quiet. **HEARTBEAT_OK**"),
        says("NO_REPLY"),
        says(&long),
    ]);
    let engine = world.start(beat()).await;
    let mut news = engine.heartbeats().watch();
    let mut became = Vec::new();
    for _ in 0..8 {
        became.push(next(&mut news).await);
    }
    let duplicate = pair("skipped", "duplicate");
    assert_eq!(
        became,
        [
            pair("ok-token", "ok-token"),
            pair("ok-token", "ok-token"),
            pair("ok-empty", "ok-empty"),
            pair("sent", "interval"),
            pair("sent", "interval"),
            duplicate.clone(),
            duplicate.clone(),
            duplicate,
        ]
    );
    let long = "word ".repeat(70);
    assert_eq!(world.told(), [long.trim(), "the cat is hungry"]);
    // A day later it is news again.
    tokio::time::sleep(60 * HALF).await;
    assert_eq!(world.told()[2], "the cat is hungry");
    let last = engine.heartbeats().last().unwrap().unwrap();
    assert_eq!(last.preview.as_deref(), Some("the cat is hungry"));
    assert_eq!(last.to.unwrap().target, "owner");
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn visibility_decides_what_of_it_is_shown() {
    let world = World::new(&Model::saying("fire"), File::of("- the house"));
    world.model.script([says("HEARTBEAT_OK nothing")]);
    let rules = VisibilityRules { ok: Some(true), alerts: Some(false), indicator: Some(false) };
    let builder = world.builder().heartbeat("main", beat()).heartbeats(|beats| {
        beats.visibility.channels.insert(account().channel, rules);
    });
    let engine = builder.backend(std::sync::Arc::new(world.memory.clone())).start().await.unwrap();
    let mut news = engine.heartbeats().watch();
    let first = tokio::time::timeout(2 * HALF, news.recv()).await.unwrap().unwrap();
    assert_eq!((first.outcome.name(), first.indicator), ("ok-token", None));
    assert_eq!(next(&mut news).await, pair("skipped", "alerts-disabled"));
    assert_eq!(world.told(), ["HEARTBEAT_OK"]);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn it_tells_who_was_answered_last_or_nobody() {
    let world = World::new(&Model::saying("news"), File::of("- the house"));
    let last = Beat {
        target: Target::Last,
        to: None,
        session: Some("agent:main:fake:direct:anna".into()),
        ..beat()
    };
    let engine = world.start(last).await;
    world.model.script([says("hello Anna")]);
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.request_heartbeat("main");
    until("Anna is told", || world.platform.sent_to("anna") == ["hello Anna", "news"]).await;
    // Its own answers are no reason to go on telling her.
    assert_eq!(world.model.last().messages.len(), 3);
    stop(engine).await;

    let world = World::new(&Model::saying("to myself"), File::of("- the house"));
    let engine = world.start(Beat { target: Target::Nobody, ..beat() }).await;
    let mut news = engine.heartbeats().watch();
    assert_eq!(next(&mut news).await, pair("skipped", "no-target"));
    assert_eq!((world.model.calls(), world.platform.sent().len()), (1, 0));
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_finds_nothing_leaves_the_conversation_as_it_was() {
    let world = World::new(&Model::saying("HEARTBEAT_OK"), File::of("- the house"));
    let session = Some("agent:main:fake:direct:anna".to_owned());
    let engine = world.start(Beat { session, ..beat() }).await;
    world.model.script([says("hello Anna")]);
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    // More of them than an agent remembers exchanges, over lives of its session.
    tokio::time::sleep(61 * HALF).await;
    assert!(world.model.calls() > 60, "{}", world.model.calls());
    engine.inject(direct("2", "anna", "who am I?")).await.unwrap();
    idle(&engine).await;
    let said: Vec<String> = world.model.last().messages.iter().map(TurnMessage::plain).collect();
    assert_eq!(said, ["hi", "hello Anna", "who am I?"]);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_heartbeat_is_told_as_such_and_its_events_are_told_again() {
    let world = World::new(&Model::saying("fire!"), File::default());
    world.model.script([Does::Fails]);
    let engine = world.start(beat()).await;
    let mut news = engine.heartbeats().watch();
    engine.system_event(&main_session(), "fire", WakeMode::Now, None).await.unwrap();
    let (outcome, reason) = next(&mut news).await;
    assert_eq!(outcome, "failed");
    assert!(reason.contains("no such model"), "{reason}");
    assert_eq!((engine.load().dead_letters, world.platform.sent().len()), (0, 0));
    engine.system_event(&main_session(), "flood", WakeMode::Now, None).await.unwrap();
    until("the owner is told", || world.told() == ["fire!"]).await;
    let asked = world.model.prompts();
    let told = "System: [08:00:00] fire\nSystem: [08:00:00] flood\n\n";
    assert!(asked[1].starts_with(told), "{}", asked[1]);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_says_nothing_has_nothing_to_say() {
    let world = World::new(&Model::saying(" "), File::of("- the house"));
    let engine = world.start(beat()).await;
    let mut news = engine.heartbeats().watch();
    assert_eq!(next(&mut news).await, pair("ok-empty", "ok-empty"));
    assert_eq!((engine.load().dead_letters, world.platform.sent().len()), (0, 0));
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn it_may_ask_another_model_alone_and_without_the_workspace() {
    let world = World::new(&Model::saying("news"), File::of("- the house"));
    let session = Some("agent:main:fake:direct:anna".to_owned());
    let model = Some(ModelRef::new("model", "small"));
    let heart = Beat { session, model, is_light: true, is_isolated: true, ..beat() };
    let builder = world.builder().heartbeat("main", heart).context(|context| {
        context.prompt = Some(std::sync::Arc::new(|_| Box::pin(async { "a workspace".into() })));
        context.agents.insert("main".into(), ContextRules::default());
    });
    let engine = builder.backend(std::sync::Arc::new(world.memory.clone())).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    engine.request_heartbeat("main");
    until("the owner is told", || world.told() == ["news"]).await;
    let asked = world.model.asked.lock().unwrap().clone();
    assert_eq!(
        (asked[0].model.as_str(), asked[0].system.as_str()),
        ("m", "be brief\n\na workspace")
    );
    assert_eq!((asked[1].model.as_str(), asked[1].system.as_str()), ("small", "be brief"));
    assert_eq!(asked[1].messages.len(), 1);
    stop(engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_person_never_sees_the_token() {
    let world = World::new(&Model::saying("HEARTBEAT_OK"), File::default());
    world.model.script([says("hello HEARTBEAT_OK")]);
    let engine = world.start(beat()).await;
    for id in ["1", "2"] {
        engine.inject(direct(id, "anna", "hi")).await.unwrap();
        idle(&engine).await;
    }
    assert_eq!(world.platform.sent_to("anna"), ["hello"]);
    stop(engine).await;
}
